"""Vectors of texts: what is near in meaning is near in direction."""
