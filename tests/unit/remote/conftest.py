"""Fixtures of the remote backend's tests."""
