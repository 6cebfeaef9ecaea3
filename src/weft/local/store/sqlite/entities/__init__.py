"""Entities: batches that are compared and written, marks of what was seen, search."""
