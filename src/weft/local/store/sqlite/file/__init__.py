"""The database file: its connections and threads, its schema and its SQL."""
