"""The field's words as frozen models and rules: no I/O, no rows, no wire formats."""
