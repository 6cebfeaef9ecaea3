"""Find the addresses of a server that may be connected to, and with which TLS."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

import anyio

from weft.errors import NotPermitted, SourceUnavailable
from weft.net.addresses import Address, AddressRefused, AllowList, check_address
from weft.net.transport import Resolve, resolve_name
from weft.sources.sql.config import Server, SslMode

_RESOLVE_SECONDS: Final = 10
_CANDIDATES: Final = 4


async def find_ways(
    server: Server,
    sslmode: SslMode,
    allow_hosts: Collection[str],
    resolve: Resolve = resolve_name,
) -> list[tuple[Address, SslMode]]:
    """Return addresses to connect to as they are, each with its mode of TLS.

    Raises AddressRefused if none may be connected to, and NotPermitted for a host that would get
    the password unencrypted and that the operator did not name.
    """
    allowed = AllowList.parse(allow_hosts)
    ways: list[tuple[Address, SslMode]] = []
    refusal: AddressRefused | None = None
    for address in await _look_up(server, resolve):
        try:
            check_address(server.host, server.port, address, allowed)
        except AddressRefused as error:
            refusal = error
        else:
            is_named = allowed.permits(server.host, server.port, address)
            ways.append((address, _mode(server, sslmode, is_named=is_named)))
    if not ways:
        raise refusal or SourceUnavailable(f"{server.host} has no address.")
    return ways[:_CANDIDATES]


async def _look_up(server: Server, resolve: Resolve) -> list[Address]:
    try:
        return [ip_address(server.host)]
    except ValueError:
        pass
    try:
        with anyio.fail_after(_RESOLVE_SECONDS):
            found = await resolve(server.host, server.port)
    except (OSError, UnicodeError, TimeoutError):
        raise SourceUnavailable(f"{server.host} could not be found.") from None
    return [ip_address(text) for text in dict.fromkeys(found)]


def _mode(server: Server, sslmode: SslMode, *, is_named: bool) -> SslMode:
    if is_named or sslmode not in {"prefer", "disable"}:
        return sslmode
    if sslmode == "prefer":
        return "require"
    raise NotPermitted(
        "Only hosts that the operator names can be reached without TLS.",
        field="sslmode",
        hint="Leave sslmode out, or have the operator add the host to WEFT_ALLOW_HOSTS.",
        needs=f"may reach {server.host} without TLS (WEFT_ALLOW_HOSTS)",
    )
