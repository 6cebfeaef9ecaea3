"""The embedded store: one SQLite file, WAL, shared by any number of processes."""
