"""Where the local backend keeps its state."""
