"""The person at the page that takes credentials for Airweave, and what that person enters."""

from typing import Any
from urllib.parse import urlsplit

from tests.support.airweave.backend import PAGES
from weft.domain.authorizations import AuthOutcome, CredentialForm
from weft.domain.connections import Auth, Connection
from weft.remote.backend import RemoteBackend

PAT = "ghp_good_canary"
REPO = {"repo_name": "acme/docs"}


def token_of(connection: Connection) -> str:
    url = connection.auth.auth_url or ""
    assert url.startswith(f"{PAGES}/authorize/")
    return urlsplit(url).path.rpartition("/")[2]


async def show(backend: RemoteBackend, connection: Connection) -> CredentialForm:
    return await backend.auth_sessions.form(token_of(connection))


async def fill_in(backend: RemoteBackend, connection: Connection, **values: str) -> AuthOutcome:
    return await backend.auth_sessions.submit(token_of(connection), dict(values))


def auth_of(**given: Any) -> Auth:
    return Auth.model_validate(given)
