"""Entities: write batches, mark what a listing has seen, search."""
