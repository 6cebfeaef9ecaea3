"""Creates, lists and revokes named API keys, and recognises them when they are presented."""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from weft.domain.access.keys import KEY_NAME_PATTERN, ApiKey
from weft.domain.access.principals import Principal, Role, organization_id
from weft.errors import InvalidInput, NotFound
from weft.local.engine import utc_now
from weft.local.store.keys import KeyStore

KEY_PREFIX: Final = "weft_"
_RANDOM_BYTES = 32


class LocalKeys:
    """The keys of one database."""

    def __init__(self, store: KeyStore, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock

    async def create(self, name: str, role: Role, organization: str) -> tuple[ApiKey, str]:
        """Create a key; return it with its text, which is not stored and cannot be shown again.

        Raises InvalidInput for a bad name, Conflict for one in use.
        """
        if not re.fullmatch(KEY_NAME_PATTERN, name):
            raise InvalidInput(
                "name is not a valid name of a key.",
                field="name",
                hint="Use up to 64 letters, digits, dots, hyphens and underscores.",
            )
        text = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        key = ApiKey(
            name=name,
            organization_id=organization_id(organization),
            role=role,
            created_at=self._clock(),
        )
        await self._store.insert(key, _digest(text))
        return key, text

    async def list(self) -> Sequence[ApiKey]:
        """List all keys, revoked ones too, oldest first."""
        return await self._store.list()

    async def revoke(self, name: str) -> ApiKey:
        """Refuse the key from now on. Raises NotFound when no live key has the name."""
        key = await self._store.revoke(name)
        if key is None:
            raise NotFound(
                "No live key has that name.", field="name", hint="`weft keys list` shows all."
            )
        return key

    async def find_principal(self, text: str) -> Principal | None:
        """Find the principal that the presented text admits, or None."""
        if not text.startswith(KEY_PREFIX):
            return None
        key = await self._store.find(_digest(text))
        return None if key is None else Principal(key.organization_id, f"key:{key.name}", key.role)


def _digest(text: str) -> bytes:
    # A slow hash protects passwords, which can be guessed. A key is 32 random bytes, so a plain
    # digest is enough, and an index may look it up: timing the look-up tells something about the
    # digest, but nothing about the key.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
