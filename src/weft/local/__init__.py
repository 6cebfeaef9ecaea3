"""The local backend: real syncs into an embedded database."""
