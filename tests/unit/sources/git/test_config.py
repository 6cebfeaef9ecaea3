"""The values that a configuration of the git source may name, and those it may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from weft.sources.git.config import GitConfig
from weft.sources.git.source import GitSource


@pytest.mark.parametrize(
    ("repo", "reason"),
    [
        ("--upload-pack=touch /tmp/x", "option"),
        ("-oProxyCommand=x", "option"),
        ("ssh://git@example.org/repo.git", "ssh://"),
        ("git@example.org:owner/repo.git", "ssh"),
        ("git://example.org/repo.git", "git://"),
        ("file:///etc", "file://"),
        ("ext::sh -c touch% /tmp/x", "ext::"),
        ("fd::17", "fd::"),
        ("ftp://example.org/x", "ftp://"),
        ("https://user:secret@example.org/x.git", "password"),
        ("https://token@example.org/x.git", "password"),
        ("https:///nohost", "host"),
        ("https://example.org/x?service=git-upload-pack", "query"),
        ("https://example.org/x#frag", "query"),
        ("/repo\n--upload-pack=x", "control"),
        ("", "at least 1"),
    ],
)
def test_address_is_refused_by_name(repo: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        GitConfig.model_validate({"repo": repo})
    shown = str(caught.value.errors(include_input=False, include_context=False))
    assert "secret" not in shown


@pytest.mark.parametrize(
    "config",
    [
        {"branch": "--upload-pack=x"},
        {"branch": "a..b"},
        {"branch": "a b"},
        {"branch": "a\nb"},
        {"branch": "/a"},
        {"branch": "a.lock"},
        {"branch": ""},
        {"path": "../x"},
        {"path": "a/../../b"},
        {"path": "a\0b"},
        {"max_commits": 0},
        {"unknown": 1},
    ],
)
def test_configuration_that_cannot_work_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GitConfig.model_validate({"repo": "https://example.org/x.git", **config})


def test_endpoint_is_the_origin_of_the_url() -> None:
    for repo, origin in (
        ("https://git.example.org:8443/a/b.git", "https://git.example.org:8443"),
        ("/local/repo", None),
        (r"C:\local\repo", None),
    ):
        assert GitSource.endpoint(GitConfig(repo=repo), {}) == origin


@pytest.mark.parametrize("separator", ["://", "::"])
def test_an_unknown_scheme_is_not_repeated_because_it_may_be_a_secret(separator: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GitConfig(repo=f"Zq7XwK2vLpM9{separator}host/x.git")
    (problem,) = refused.value.errors()
    assert "Zq7XwK" not in problem["msg"]
    assert "give the https URL" in problem["msg"]
