"""What stands over many runs: batches, deployments, the queue, the catalog, and what a start comes to with them."""
