"""Tokens that bind a deletion to the preview that was shown before it."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from weft.domain.access.principals import Principal
from weft.errors import Conflict

LIFETIME_SECONDS = 300
# A sync may add entities between preview and confirmation; a token allows this much growth.
_GROWTH_FACTOR_MAX = 1.1
_GROWTH_SLACK_ENTITIES = 100
_HEAD_BYTES = 8 + 8 + 8
_MAC_BYTES = 16


@dataclass(frozen=True)
class Effect:
    """A deletion as its preview showed it.

    ``facts`` (owner, id, version, names) must be the same at confirmation.
    """

    kind: str
    facts: tuple[str, ...]
    entities: int


@dataclass(slots=True)
class Confirmations:
    """Issues and redeems tokens, which are void once the issuing process ends."""

    clock: Callable[[], float] = time.monotonic
    holder: tuple[str, ...] = ()
    key: bytes = field(default_factory=partial(secrets.token_bytes, 32), repr=False)
    spent: dict[bytes, float] = field(default_factory=dict[bytes, float])

    def bound_to(self, principal: Principal) -> "Confirmations":
        """Return a view whose tokens only the principal can redeem."""
        holder = (principal.organization_id, principal.name)
        return Confirmations(self.clock, holder, self.key, self.spent)

    def issue(self, effect: Effect) -> str:
        """Issue a token for exactly this effect, valid once and for LIFETIME_SECONDS."""
        expires = int(self.clock()) + LIFETIME_SECONDS
        head = expires.to_bytes(8, "big") + effect.entities.to_bytes(8, "big")
        head += secrets.token_bytes(8)
        return base64.urlsafe_b64encode(head + self._mac(effect, head)).decode()

    def redeem(self, token: str, effect: Effect) -> None:
        """Spend the token. Raises Conflict unless it is unused, unexpired and for this effect."""
        head, mac = _parts(token)
        if not hmac.compare_digest(mac, self._mac(effect, head)):
            raise _refusal("does not belong to this deletion as it stands now")
        now = self.clock()
        expires = int.from_bytes(head[:8], "big")
        if now > expires:
            raise _refusal("has expired")
        for spent in [spent for spent, until in self.spent.items() if until < now]:
            del self.spent[spent]
        # Remember spent tokens by their bytes, which base64 can write in several ways.
        if head in self.spent:
            raise _refusal("was used already")
        shown = int.from_bytes(head[8:16], "big")
        if effect.entities > shown * _GROWTH_FACTOR_MAX + _GROWTH_SLACK_ENTITIES:
            raise _refusal("covers fewer entities than there are now")
        self.spent[head] = expires

    def _mac(self, effect: Effect, head: bytes) -> bytes:
        digest = hmac.new(self.key, head, hashlib.sha256)
        for part in (*self.holder, effect.kind, *effect.facts):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big") + raw)
        return digest.digest()[:_MAC_BYTES]


def _parts(token: str) -> tuple[bytes, bytes]:
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except ValueError:
        raise _refusal("is not one that Weft issued") from None
    if len(raw) != _HEAD_BYTES + _MAC_BYTES:
        raise _refusal("is not one that Weft issued")
    return raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]


def _refusal(reason: str) -> Conflict:
    return Conflict(
        f"confirmation_token {reason}; nothing was deleted.",
        field="confirmation_token",
        hint="Call again without confirmation_token for a new preview, and show it to the user.",
    )
