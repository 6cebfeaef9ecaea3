"""Takes what is pushed."""
