"""A stand-in for the model, which says what its script says: no key, no network."""
