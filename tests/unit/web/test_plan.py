"""From settings to the gate: what would expose the server by mistake is refused by name."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from weft.errors import InvalidInput
from weft.settings import Settings
from weft.web.gate.metrics import Metrics
from weft.web.plan import build_gate, load_token, plan_listening, plan_oauth, plan_pages_url

ELSEWHERE: dict[str, Any] = {"http_host": "0.0.0.0"}
PROXY: dict[str, Any] = {"http_trusted_proxies": "10.0.0.1, 10.0.0.2"}
HOSTS: dict[str, Any] = {"http_allowed_hosts": "weft.example"}


def settings(home: Path, **given: Any) -> Settings:
    return Settings(home=home, **given)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (ELSEWHERE, "WEFT_HTTP_HOST"),
        (ELSEWHERE | HOSTS, "WEFT_HTTP_HOST"),
        (ELSEWHERE | PROXY, "WEFT_HTTP_ALLOWED_HOSTS"),
        ({"http_tls_key": "key.pem"}, "WEFT_HTTP_TLS_CERT"),
    ],
)
def test_what_would_expose_the_server_is_named(
    tmp_path: Path, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_listening(settings(tmp_path, **given), auth=True)
    assert refused.value.field == field


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "weft.example"])
def test_without_authentication_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    given = {"http_host": host, **PROXY, **HOSTS}
    with pytest.raises(InvalidInput, match="--no-auth"):
        plan_listening(settings(tmp_path, **given), auth=False)


def test_a_declared_proxy_may_speak_for_others(tmp_path: Path) -> None:
    listening = plan_listening(settings(tmp_path, **ELSEWHERE, **PROXY, **HOSTS), auth=True)
    assert listening.proxies == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    "proxy", ["*", "proxy.example", "10.0.0.1:80", "10.0.0.1/8", "0.0.0.0/0", "::/0"]
)
def test_a_proxy_is_declared_by_its_address(tmp_path: Path, proxy: str) -> None:
    given = {**ELSEWHERE, **HOSTS, "http_trusted_proxies": f"10.0.0.0/24, {proxy}"}
    with pytest.raises(InvalidInput) as refused:
        plan_listening(settings(tmp_path, **given), auth=True)
    assert refused.value.field == "WEFT_HTTP_TRUSTED_PROXIES"


def test_oauth_needs_an_audience_and_names_the_public_address(tmp_path: Path) -> None:
    assert plan_oauth(settings(tmp_path), "http://127.0.0.1:1") is None
    issuer = {"oauth_issuer": "https://issuer.example"}
    with pytest.raises(InvalidInput, match="WEFT_OAUTH_AUDIENCE"):
        plan_oauth(settings(tmp_path, **issuer), "http://127.0.0.1:1")
    known = plan_oauth(settings(tmp_path, **issuer, oauth_audience="weft"), "http://127.0.0.1:1")
    assert known is not None
    assert known.resource_url == "http://127.0.0.1:1/mcp"
    gate = build_gate(settings(tmp_path), [], known, Metrics())
    assert gate.authenticators is not None
    assert len(gate.authenticators) == 1
    assert build_gate(settings(tmp_path), None, None, Metrics()).authenticators is None


def test_a_given_token_leaves_no_file(tmp_path: Path) -> None:
    assert load_token(settings(tmp_path, token="one that is given")) == "one that is given"
    assert list(tmp_path.iterdir()) == []


def test_a_short_token_is_refused_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(tmp_path, token="c4n4ry")
    assert "c4n4ry" not in str(refused.value.errors(include_input=False))


def test_an_unknown_toolset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="toolsets"):
        settings(tmp_path, toolsets="jobs, everything")


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({}, "http://127.0.0.1:1"),
        ({"http_public_url": "https://weft.example/mcp"}, "https://weft.example"),
        ({"http_public_url": "https://weft.example/team/mcp/"}, "https://weft.example/team"),
        ({"http_public_url": "https://weft.example"}, "https://weft.example"),
        (ELSEWHERE | PROXY | HOSTS, "https://weft.example"),
        (PROXY | HOSTS, "https://weft.example"),
        (PROXY | {"http_allowed_hosts": "127.0.0.1,weft.example"}, "https://weft.example"),
        (PROXY | {"http_allowed_hosts": "127.0.0.1:8000,weft.example"}, "https://weft.example"),
        (HOSTS, "http://127.0.0.1:1"),
        (ELSEWHERE | HOSTS | {"http_tls_cert": "c", "http_tls_key": "k"}, "https://weft.example:1"),
        (
            ELSEWHERE | {"http_allowed_hosts": "weft.example:8443", "http_tls_cert": "c"},
            "https://weft.example:8443",
        ),
    ],
)
def test_links_name_the_address_that_people_can_reach(
    tmp_path: Path, given: dict[str, Any], base: str
) -> None:
    bound = "https://0.0.0.0:1" if "http_host" in given else "http://127.0.0.1:1"
    assert plan_pages_url(settings(tmp_path, **given), bound) == base
