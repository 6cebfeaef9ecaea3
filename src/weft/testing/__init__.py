"""Helpers for tests that ship with Weft: contracts, and sources that follow a script."""
