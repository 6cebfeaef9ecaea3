"""Roles and what they allow, the caller of now, and the record of what was done."""
