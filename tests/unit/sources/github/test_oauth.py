"""The addresses at which people authorise `github`."""

import pytest

from weft.domain.connections import AuthMethod
from weft.sources.base import OAuth2
from weft.sources.github.config import GitHubConfig
from weft.sources.github.source import GitHubSource


@pytest.mark.parametrize(
    ("api_url", "site"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.octo.ghe.com", "https://octo.ghe.com"),
        ("https://git.example.com/api/v3", "https://git.example.com"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080"),
    ],
)
def test_consent_is_given_on_the_site_of_the_operators_api(api_url: str, site: str) -> None:
    config = GitHubConfig(repo_name="octocat/hello-world")
    spec = GitHubSource.oauth(config, {"github_api_url": api_url})
    assert isinstance(spec, OAuth2)
    assert spec.authorize_url == f"{site}/login/oauth/authorize"
    assert spec.token_url == f"{site}/login/oauth/access_token"
    assert spec.token_field in GitHubSource.Credentials.model_fields


def test_all_methods_are_offered() -> None:
    assert GitHubSource.info().auth_methods == tuple(AuthMethod)
