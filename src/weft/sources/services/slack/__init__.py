"""The source of Slack workspaces."""
