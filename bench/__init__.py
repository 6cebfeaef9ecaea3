"""Ratios, measured side by side in one run: Weft against the floor and against its peers."""
