"""Airweave's HTTP API over the backend of whoever calls."""
