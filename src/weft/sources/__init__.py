"""Sources: one folder each, with its class in `source.py`, all behind the protocol in `base`."""
