"""Checks on URLs and hosts that need no network."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine itself; IPv6 addresses may have brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def may_use_proxy(url: str) -> bool:
    """Return whether a proxy from the environment may carry requests to ``url``.

    It may only under TLS, which hides keys from the proxy, and never to this machine itself.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" and not is_loopback(parts.hostname or "")


def validate_url(value: str) -> str:
    """Return ``value`` if it is a web address. The ValueError says why not, without the value."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not an http or https URL")
    if parts.query or parts.fragment:
        raise ValueError("it may have only a host, a port and a path")
    return refuse_user(value)


def refuse_user(address: str) -> str:
    """Return the address if it holds no user name and no password. Raises ValueError."""
    refuse_users((address,))
    return address


def refuse_users(addresses: Collection[str]) -> Collection[str]:
    """Return the addresses if none holds a user name or password. Raises ValueError."""
    # Refuse "@" in any place, since parsers disagree on where a user name and password end.
    if any("@" in unquote(address) for address in addresses):
        raise ValueError("it may hold no user name, no password and no '@'")
    return addresses


def validate_api_url(value: str) -> str:
    """Return ``value`` without a final slash if a key may be sent there. Raises ValueError."""
    parts = urlsplit(validate_url(value))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("the key must not travel without TLS: use https")
    return value.rstrip("/")
