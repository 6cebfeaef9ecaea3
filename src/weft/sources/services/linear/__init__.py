"""The source of Linear workspaces."""
