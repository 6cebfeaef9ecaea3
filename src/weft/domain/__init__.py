"""Frozen objects of the domain: no I/O, no rows, no wire formats."""
