"""Rules for Host and Origin headers, which keep web pages of other sites out.

A site can point its own name at 127.0.0.1 (DNS rebinding); the Host header still has that name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from weft.net.urls import is_loopback

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class HostRules:
    """Allowed names, with or without a port; a name without one allows every port."""

    hosts: frozenset[str]
    origins: frozenset[str]

    def refusal(self, host: str | None, origin: str | None) -> tuple[int, str] | None:
        """Return the status and text of a refusal, or None. Only browsers send an Origin."""
        if host is None or not _is_allowed(host.lower(), self.hosts):
            return 421, "The Host header is not one that this server answers to."
        # Our own page has the same host and port as the request. On a loopback address, where it
        # may be served without TLS, `origins` has the names without a port.
        if origin is None or origin.lower() == f"https://{host.lower()}":
            return None
        if not _is_allowed(origin.lower(), self.origins):
            return 403, "Pages of this origin may not call this server."
        return None


def build_host_rules(bind_host: str, hosts: Iterable[str], origins: Iterable[str]) -> HostRules:
    """Allow what the operator named, and on a loopback address the names of the loopback."""
    allowed_hosts = {host.lower() for host in hosts}
    allowed_origins = {origin.lower().rstrip("/") for origin in origins}
    if is_loopback(bind_host):
        # Any address in 127.0.0.0/8 is a loopback, not only the usual one.
        bound = bind_host.lower()
        names = LOOPBACK_NAMES | {f"[{bound}]" if ":" in bound else bound}
        allowed_hosts |= names
        allowed_origins |= {f"{scheme}://{name}" for name in names for scheme in _SCHEMES}
    return HostRules(frozenset(allowed_hosts), frozenset(allowed_origins))


_SCHEMES = ("http", "https")


def _is_allowed(given: str, allowed: frozenset[str]) -> bool:
    return given in allowed or _without_port(given) in allowed


@lru_cache(maxsize=256)
def _without_port(given: str) -> str | None:
    """Return ``given`` without its port, or None unless it is just a name and a port."""
    scheme, mark, rest = given.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port
    except ValueError:
        return None
    if port is None or parts.netloc != rest or "@" in rest:
        return None
    return f"{scheme}{mark}{rest.rpartition(':')[0]}"
