"""Host and Origin: what is allowed, with any port, and nothing that merely looks like it."""

import pytest

from weft.web.gate.hosts import build_host_rules

LOCAL = build_host_rules("127.0.0.1", (), ())
PUBLIC = build_host_rules(
    "0.0.0.0", ["Weft.example", "other.example:8443"], ["https://app.example/"]
)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8765", "[::1]:80"])
def test_loopback_answers_to_its_own_names(host: str) -> None:
    assert LOCAL.refusal(host, None) is None


@pytest.mark.parametrize(("bound", "name"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_any_loopback_address_answers_to_itself(bound: str, name: str) -> None:
    assert build_host_rules(bound, (), ()).refusal(f"{name}:8765", f"http://{name}:8765") is None
    assert LOCAL.refusal("127.0.0.2", None) is not None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":80",
        "weft.example",
        "localhost.evil.example",
        "localhost:80:80",
        "localhost:x",
        "localhost:99999",
        "user@localhost:80",
        "localhost/x:80",
        "127.0.0.1.nip.io:80",
        "[::1",
    ],
)
def test_other_names_are_misdirected(host: str | None) -> None:
    refused = LOCAL.refusal(host, None)
    assert refused is not None
    assert refused[0] == 421


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("weft.example", True),
        ("weft.example:443", True),
        ("other.example:8443", True),
        ("other.example", False),
        ("other.example:1", False),
        ("localhost", False),
        ("127.0.0.1:80", False),
    ],
)
def test_elsewhere_only_declared_names_are_answered(host: str, answered: bool) -> None:
    assert (PUBLIC.refusal(host, None) is None) is answered


@pytest.mark.parametrize(
    ("origin", "answered"),
    [
        ("https://app.example", True),
        ("https://app.example:443", True),
        ("http://app.example", False),
        ("https://app.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_declared_origins_are_answered(origin: str, answered: bool) -> None:
    assert (PUBLIC.refusal("weft.example", origin) is None) is answered
