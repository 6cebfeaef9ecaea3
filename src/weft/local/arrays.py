"""Decides whether numpy can be used, which search by meaning needs and nothing else does."""

from typing import Final

from weft.errors import Unsupported

_INSTALL: Final = "pip install --upgrade --force-reinstall 'numpy>=2,<3'"


def require_numpy() -> None:
    """Import numpy, which takes a moment; raise Unsupported where it is missing or unusable."""
    try:
        import numpy as np
    except ModuleNotFoundError as error:
        if error.name == "numpy":
            raise _unsupported("is not installed", "pip install numpy") from None
        raise _unsupported(f"is broken: {error}", _INSTALL) from None
    except Exception as error:  # noqa: BLE001 (a broken installation may raise anything)
        # Its own text is a page of advice for those who build it.
        raise _unsupported(f"cannot be imported ({type(error).__name__})", _INSTALL) from None
    if not hasattr(np, "bitwise_count"):
        found = getattr(np, "__version__", "")
        raise _unsupported(f"is too old ({found or 'no version'}; 2 or newer)", _INSTALL)


def _unsupported(problem: str, command: str) -> Unsupported:
    return Unsupported(
        f"Search by meaning needs numpy, which {problem}.",
        hint=f"Install it: {command}. Search by words works without it.",
    )
