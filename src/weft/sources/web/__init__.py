"""The `web` source: the pages of a site."""
