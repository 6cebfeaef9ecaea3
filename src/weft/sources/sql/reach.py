"""Find the addresses of a server that may be connected to, and with which TLS."""

from collections.abc import Collection
from typing import Final

import httpcore

from weft.errors import NotPermitted, SourceUnavailable
from weft.net.addresses import Address, AllowList
from weft.net.transport import GuardedBackend, Resolve, resolve_name
from weft.sources.sql.config import Server, SslMode

_RESOLVE_SECONDS: Final = 10


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
    host, port = server.host, server.port
    try:
        found = await GuardedBackend(allowed, resolve).resolve_permitted(
            host, port, _RESOLVE_SECONDS
        )
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        raise SourceUnavailable(f"{host} could not be found.") from None
    return [
        (address, _mode(server, sslmode, is_named=allowed.permits(host, port, address)))
        for address in found
    ]


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
