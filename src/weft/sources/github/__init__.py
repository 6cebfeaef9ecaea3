"""The `github` source: a repository through GitHub's API."""
