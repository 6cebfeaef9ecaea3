"""The `rss` source: the entries of feeds (RSS, Atom, JSON Feed)."""
