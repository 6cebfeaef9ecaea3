"""Weft connects sources for AI agents and keeps them synced."""

from weft._version import __version__
from weft.backend import Backend
from weft.errors import WeftError

__all__ = ["Backend", "WeftError", "__version__"]
