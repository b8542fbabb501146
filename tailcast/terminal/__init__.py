"""How things look on a terminal: text, colours, tables, the events of a run."""
