"""The addresses that are this machine's own, and those that a proxy may carry."""

import pytest

from weft.net.urls import is_loopback, may_use_proxy


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_what_others_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://api.example", True),
        ("https://api.example:8443/x", True),
        ("HTTPS://api.example", True),
        ("http://api.example", False),
        ("http://127.0.0.1:8765", False),
        ("https://127.0.0.1", False),
        ("https://127.9.9.9", False),
        ("https://[::1]:8443", False),
        ("https://LOCALHOST", False),
        ("", False),
    ],
)
def test_a_proxy_carries_only_what_is_encrypted_and_goes_elsewhere(url: str, may: bool) -> None:
    assert may_use_proxy(url) is may
