"""Airweave's JSON, to and from the domain."""
