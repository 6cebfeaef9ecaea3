"""The `files` source: a folder of this machine."""
