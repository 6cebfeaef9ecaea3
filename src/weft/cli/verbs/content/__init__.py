"""Verbs that show what was synced: find it, list it, read it, export it."""
