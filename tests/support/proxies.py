"""Proxies that the environment names."""

import pytest


def set_proxies(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Name ``url`` as the proxy of everything, without exceptions."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.upper(), url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
