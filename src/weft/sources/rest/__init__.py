"""The REST kit: a service is a table of streams, and its author never writes a loop."""
