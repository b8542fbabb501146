"""The keeper of an agent: it sees every line first, and ends the whole tree of processes."""
