"""Verbs about who may come in, and with which secrets."""
