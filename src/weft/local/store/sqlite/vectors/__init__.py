"""Vectors on SQLite: rows in tables, and codes in memory to find the nearest by."""
