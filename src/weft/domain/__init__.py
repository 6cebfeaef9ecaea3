"""The domain as frozen models and rules: no I/O, no rows, no wire formats."""
