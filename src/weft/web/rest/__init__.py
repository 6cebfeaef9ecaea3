"""Airweave's HTTP API, served from the caller's backend."""
