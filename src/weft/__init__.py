"""Weft connects sources for AI agents and keeps them synced."""

from weft.backend import Backend
from weft.errors import WeftError

__version__ = "0.1.0"

__all__ = ["Backend", "WeftError", "__version__"]
