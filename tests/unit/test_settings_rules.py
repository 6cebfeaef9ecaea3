"""Settings that go together: one without the other, or at odds with it, is refused by name."""

import os
from pathlib import Path

import pytest

from weft.errors import InvalidInput
from weft.settings import load_settings

CANARY = "sEcr3t-c4n4ry-5f2e"


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of Weft but the WEFT_HOME of this test."""
    for name in list(os.environ):
        if name.upper().startswith("WEFT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"API_URL": "https://api.example.com"}, "WEFT_API_KEY"),
        ({"API_KEY": CANARY}, "WEFT_API_KEY"),
        ({"API_ORGANIZATION": "47398c07-2a92-4969-944f-61d51c08de3a"}, "WEFT_API_ORGANIZATION"),
        ({"API_URL": "ftp://x.example", "API_KEY": CANARY}, "WEFT_API_URL"),
        ({"API_URL": "https://u:p@x.example", "API_KEY": CANARY}, "WEFT_API_URL"),
        ({"API_URL": "http://x.example", "API_KEY": CANARY}, "WEFT_API_URL"),
        ({"API_URL": "https://x.example:port", "API_KEY": CANARY}, "WEFT_API_URL"),
        ({"API_URL": "https://x.example/?key=1", "API_KEY": CANARY}, "WEFT_API_URL"),
        ({"API_URL": "https://x.example", "API_KEY": f"{CANARY}\nx: y"}, "WEFT_API_KEY"),
        (
            {"API_URL": "https://x.example", "API_KEY": CANARY, "API_ORGANIZATION": "mine"},
            "WEFT_API_ORGANIZATION",
        ),
    ],
)
def test_remote_api_that_cannot_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], field: str
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"WEFT_{name}", value)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == field
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v1/", "http://127.0.0.1:1", "http://[::1]"]
)
def test_remote_api_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WEFT_API_URL", url)
    monkeypatch.setenv("WEFT_API_KEY", CANARY)
    settings = load_settings()
    assert settings.api_url == url.rstrip("/")
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"URL": "https://x.example/v1"}, "WEFT_EMBEDDINGS_MODEL"),
        ({"MODEL": "m"}, "WEFT_EMBEDDINGS_MODEL"),
        ({"KEY": CANARY}, "WEFT_EMBEDDINGS_KEY"),
        ({"URL": "ftp://x.example", "MODEL": "m"}, "WEFT_EMBEDDINGS_URL"),
        ({"URL": "http://gpu.lan/v1", "MODEL": "m", "KEY": CANARY}, "WEFT_EMBEDDINGS_KEY"),
        ({"URL": "http://gpu.lan/v1", "MODEL": "m", "KEY_FILE": "k"}, "WEFT_EMBEDDINGS_KEY_FILE"),
        (
            {"URL": "https://x.example", "MODEL": "m", "KEY": CANARY, "KEY_FILE": "k"},
            "WEFT_EMBEDDINGS_KEY_FILE",
        ),
        ({"URL": "https://x.example", "MODEL": "m", "KEY": f"{CANARY}\n"}, "WEFT_EMBEDDINGS_KEY"),
        (
            {"URL": "https://x.example", "MODEL": "m", "DIMENSIONS": "3"},
            "WEFT_EMBEDDINGS_DIMENSIONS",
        ),
    ],
)
def test_embeddings_that_cannot_be_asked_for_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], field: str
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"WEFT_EMBEDDINGS_{name}", value)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == field
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.example/v1/", "http://localhost:11434/v1/embeddings", "http://gpu.lan/v1"]
)
def test_address_of_embeddings_is_taken_with_or_without_their_path(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("WEFT_EMBEDDINGS_URL", url)
    monkeypatch.setenv("WEFT_EMBEDDINGS_MODEL", "m")
    assert (load_settings().embeddings_url or "").endswith("/v1")
