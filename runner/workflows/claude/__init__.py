"""The Claude Agent SDK as a workflow."""
