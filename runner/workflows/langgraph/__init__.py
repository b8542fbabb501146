"""LangGraph graphs as a workflow."""
