"""Weft connects sources for AI agents and keeps them synced."""

from weft._version import __version__

__all__ = ["__version__"]
