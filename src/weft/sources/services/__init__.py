"""The services on the REST kit."""
