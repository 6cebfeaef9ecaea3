"""Turn the bytes of documents into text."""
