"""Authenticates connections at their sources: credentials, links, tokens, named secrets."""
