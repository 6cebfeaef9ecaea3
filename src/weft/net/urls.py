"""Checks on URLs and hosts that need no network."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine itself; IPv6 addresses may have brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def validate_url(value: str) -> str:
    """Return ``value`` if it is a web address. The ValueError says why not, without the value."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not an http or https URL")
    return value


def validate_api_url(value: str) -> str:
    """Return ``value`` without a final slash if a key may be sent there. Raises ValueError."""
    parts = urlsplit(validate_url(value))
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("it may have only a host, a port and a path; the key is WEFT_API_KEY")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("the key must not travel without TLS: use https")
    return value.rstrip("/")
