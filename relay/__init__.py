"""HTTP over runs on disk: files as event streams, requests as inbox lines. Knows `runlog`, and never the runner."""
