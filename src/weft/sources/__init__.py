"""Sources: a folder each with the class in `source.py`, behind the protocol in `base`."""
