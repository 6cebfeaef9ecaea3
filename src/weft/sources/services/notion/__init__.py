"""The source of Notion workspaces."""
