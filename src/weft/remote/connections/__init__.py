"""Create, read, change and delete connections."""
