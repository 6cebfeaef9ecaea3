"""How connections authenticate at their sources: credentials, links, tokens, named secrets."""
