"""Log lines on stderr, and spans for a collector if one is configured."""
