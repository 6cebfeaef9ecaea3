"""The state of the local backend: a protocol, and its implementation on SQLite."""
