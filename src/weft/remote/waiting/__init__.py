"""Matters for a person: authorisations that began, and connections without credentials."""
