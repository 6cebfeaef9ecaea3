"""Starts this folder's programs, which import the other helpers by their full names."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def program_command(name: str) -> list[str]:
    """Return the command that runs a program of this folder; its working directory is ``ROOT``."""
    return [sys.executable, "-m", f"{__package__}.{name}"]
