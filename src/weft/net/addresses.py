"""The addresses a source may connect to: the public internet, and what the operator allows.

The standard library's `is_global` is not enough: it says True for NAT64, 6to4, multicast and some
metadata services. So the special ranges are listed here, IPv4 addresses inside IPv6 ones are
checked as well, and the address checked is the one really connected to.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from weft.errors import InvalidInput, SourceMisconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressRefused(SourceMisconfigured):
    """The destination is not public, and the operator has not allowed it."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """The private destinations that the operator permits, from WEFT_ALLOW_HOSTS."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = field(default=())

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowList":
        """Read host names, addresses and CIDR ranges; the first two may end in ":port".

        Raises InvalidInput for an entry that is none of these.
        """
        names: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in entries:
            host, port = _split_port(entry.strip().lower())
            try:
                networks.append((ip_network(host, strict=False), port))
            except ValueError:
                names.add((_parse_name(host), port))
        return cls(frozenset(names), tuple(networks))

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Return whether an entry names this host, or covers this address, at this port."""
        return self._has_name(host, port) or any(
            allowed in (None, port) and address.version == network.version and address in network
            for network, allowed in self.networks
        )

    def permits_by_name(self, host: str, port: int) -> bool:
        """Return whether an entry permits this host, a name or an address, as it is written."""
        try:
            return self.permits(host, port, ip_address(host))
        except ValueError:
            return self._has_name(host, port)

    def _has_name(self, host: str, port: int) -> bool:
        name = host.lower().rstrip(".")
        return (name, port) in self.names or (name, None) in self.names


def check_address(host: str, port: int, address: Address, allowed: AllowList) -> None:
    """Refuse ``address``, which ``host`` resolved to, unless it may be connected to.

    Raises AddressRefused, which names the host but never the address: a model that may name hosts
    must not learn from refusals how the operator's private network is laid out.
    """
    for candidate in _with_embedded(address):
        if _within(candidate, _NEVER):
            raise AddressRefused(
                f"{host} is a link-local, metadata or broadcast address, which is never reachable "
                "from a source."
            )
    unmapped = _unmap(address)
    if any(_within(a, _SPECIAL) or not a.is_global for a in _with_embedded(address)) and not (
        allowed.permits(host, port, unmapped)
    ):
        raise AddressRefused(
            f"{host} is a private address.",
            hint=f"The operator can allow it with WEFT_ALLOW_HOSTS={host}.",
            needs=f"may reach {host} (WEFT_ALLOW_HOSTS)",
        )


def _networks(*ranges: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in ranges)


# Instance metadata hands out the machine's own credentials, so no setting allows these.
_NEVER = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "100.100.100.200/32",  # Alibaba Cloud metadata, inside the CGNAT range
    "168.63.129.16/32",  # Azure's virtual machine agent, a public address
    "192.0.0.192/32",  # Oracle Cloud metadata
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fe80::/10",
    "fd00:ec2::/32",  # Amazon: metadata ::254, name and time services
    "fd20:ce::254/128",  # Google Cloud metadata
    "fd00:42::42/128",  # Scaleway metadata
    "ff00::/8",
)
_SPECIAL = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
)
_NAT64 = _networks("64:ff9b::/96", "64:ff9b:1::/48")
_COMPATIBLE = _networks("::/96", "::ffff:0:0:0/96")
_ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)


def _within(address: Address, ranges: tuple[Network, ...]) -> bool:
    return any(address.version == r.version and address in r for r in ranges)


def _unmap(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _with_embedded(address: Address) -> list[Address]:
    """Return the address, and each IPv4 address that a tunnel or translator would find in it."""
    plain = _unmap(address)
    if isinstance(plain, IPv4Address):
        return [plain]
    # The zone of a scoped address ("fe80::1%eth0") would hide it from the range checks.
    plain = IPv6Address(int(plain))
    found: list[Address] = [plain]
    low = int(plain) & 0xFFFF_FFFF
    # "::" and "::1" are addresses of their own, not IPv4 addresses in IPv6 clothes.
    if int(plain) > 1 and (
        _within(plain, _NAT64 + _COMPATIBLE) or (int(plain) >> 32) & 0xFFFF_FFFF in _ISATAP_MARKS
    ):
        found.append(IPv4Address(low))
    if plain.sixtofour:
        found.append(plain.sixtofour)
    if plain.teredo:
        found.extend(plain.teredo)
    return found


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if colon and port.isascii() and port.isdigit() and (":" not in host or bracketed):
        if not 0 < int(port[:6]) < 65_536:
            raise _invalid_entry()
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _parse_name(host: str) -> str:
    name = host.rstrip(".")
    labels = name.split(".")
    if not all(label.replace("-", "").replace("_", "").isalnum() for label in labels):
        raise _invalid_entry()
    # Connections are made by the ASCII form of a name, so entries are compared in that form.
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        raise _invalid_entry() from None


def _invalid_entry() -> InvalidInput:
    return InvalidInput(
        "WEFT_ALLOW_HOSTS has an entry that is neither a host name, an address nor a CIDR range.",
        field="WEFT_ALLOW_HOSTS",
        hint="Write for example: wiki.internal, 10.0.0.5:8080, 192.168.0.0/16.",
    )
