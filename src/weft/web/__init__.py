"""The HTTP front: the gate, the pages for people, and the HTTP API."""
