"""A run's conversation for other readers: for Claude's CLI and its tools, for people, or the stream as it is.

Everything comes in pieces, of a run that goes on what there is so far. Formats by name are in `formats`.
"""
