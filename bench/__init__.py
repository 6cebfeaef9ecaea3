"""Benchmarks: ratios measured side by side, of Weft against the floor and against its peers."""
