"""One attempt of a run: its process, what a workflow sees of it, questions, pauses, limits."""
