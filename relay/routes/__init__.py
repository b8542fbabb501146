"""A file for each resource: what is asked, and what is answered."""
