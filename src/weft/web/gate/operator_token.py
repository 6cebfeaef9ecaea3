"""The operator's bearer token: from a setting, or generated into a file."""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.errors import InvalidInput, StorageFailed
from weft.settings.faults import TOKEN_MIN_CHARS

TOKEN_FILE_NAME: Final = "http-token"  # noqa: S105 (the name of a file)
_RANDOM_BYTES = 32

Authenticate = Callable[[str], Awaitable[Principal | None]]
"""Return the principal that a presented token admits, or None if the token is unknown."""


def load_or_create_token(path: Path) -> str:
    """Read the token from the file; create the file, readable by its owner only, if it is missing.

    Raises StorageFailed when it cannot be read or written, InvalidInput when others can read it
    or its token is too short.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return _read_token(path)
        token = secrets.token_urlsafe(_RANDOM_BYTES)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise StorageFailed(
            f"The token file {path} cannot be used: {error.strerror}.",
            hint="Check its permissions, or set WEFT_TOKEN.",
        ) from None
    return token


def build_operator_check(token: str) -> Authenticate:
    """Build the check that admits the operator, as administrator of the local organisation."""
    wanted = _digest(token)
    operator = Principal(LOCAL_ORGANIZATION_ID, "token", Role.ADMIN)

    async def authenticate(presented: str) -> Principal | None:
        # Digests have equal lengths, and comparing them takes equal time wherever they differ.
        return operator if hmac.compare_digest(_digest(presented), wanted) else None

    return authenticate


def _read_token(path: Path) -> str:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise InvalidInput(
            f"The token file {path} is not a file.",
            hint="Remove it: a token is made at the next start. Or set WEFT_TOKEN.",
        )
    if stat.S_IMODE(mode) & 0o077:
        raise InvalidInput(
            f"The token file {path} can be read by others.",
            hint="Remove it: a new one is made at the next start.",
        )
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < TOKEN_MIN_CHARS:
        raise InvalidInput(
            f"The token file {path} is empty, or its token is shorter than {TOKEN_MIN_CHARS} "
            "characters.",
            hint="Remove it: a new one is made at the next start.",
        )
    return token


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
