"""How a POST becomes a run, once."""
