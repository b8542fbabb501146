"""Files and bytes: append, read on, lock, watch, and where things lie. Knows nothing of what lines mean."""
