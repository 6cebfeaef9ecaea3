"""Addresses of this machine itself."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether only this machine itself answers to the host; an IPv6 address may have brackets."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
