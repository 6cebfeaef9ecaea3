"""Shipped helpers for tests: what every source must do, and a source that follows a script."""
