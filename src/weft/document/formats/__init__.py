"""Readers of documents, a module for a family of formats; each works only in a child process."""
