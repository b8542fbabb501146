"""From a followed file to every listener: the shared tail, its chunks and frames, and those who send them."""
