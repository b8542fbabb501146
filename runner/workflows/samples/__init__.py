"""Workflows that show what can be built: long thought, research in parallel, design with people."""
