"""One module for each kind of command; each imports what is heavy inside the command."""
