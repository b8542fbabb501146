"""How fast the relay is, beside what people would use instead. `python -m benchmarks`."""
