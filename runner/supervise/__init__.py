"""All runs of a root: which are started, which have died."""
