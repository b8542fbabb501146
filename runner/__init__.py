"""Processes: claims queued runs, starts, stops and outlives agent subprocesses; the workflows themselves."""
