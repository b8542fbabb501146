"""One run: its manifest, what its lines mean, its state and status, what people say to it."""
