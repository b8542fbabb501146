"""Sessions of Claude's CLI that others wrote: where they lie, what they are about, and how one becomes a run."""
