"""No secret of any method of authentication is told, logged or stored, whatever fails.

The provider here answers with everything that it was sent, in every way in which it can fail.
"""

import base64
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.oauth.harness import (
    OAuthHarness,
    open_oauth_harness,
    own_client,
    params_of,
    token_of,
)
from tests.support.oauth.provider import OAuthProvider, serve_oauth_provider
from weft.domain.connections import Auth, AuthProviderAuth, Connection, OAuthTokenAuth
from weft.errors import WeftError
from weft.local.auth.oauth_clients import LocalOAuthClients
from weft.local.auth.providers import LocalAuthProviders
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve

pytestmark = pytest.mark.anyio

CANARIES = {
    "client": "Qk7ZpX2vRt9LmW4sHc",
    "access": "Vb3NyT8gJd5KqF6wXe",
    "refresh": "Ma1RzU7hPs0CoG9iLf",
    "api_key": "Wj4DxE2nBv8YtQ5kSa",
}
RUN_CHARS = 6


def quote_request(asked: HttpRequest) -> str:
    """All that the server was sent."""
    return json.dumps([asked.target, asked.headers, asked.body.decode()])


def _plain(status: int) -> Callable[[HttpRequest], HttpReply]:
    return lambda asked: HttpReply(status, quote_request(asked).encode())


FAILURES: dict[str, Callable[[HttpRequest], HttpReply]] = {
    "refused": lambda a: as_json(
        {"error": "invalid_grant", "error_description": quote_request(a)}, 400
    ),
    "odd code": lambda a: as_json({"error": quote_request(a)}, 400),
    "odd type": lambda a: as_json({"error": {"told": quote_request(a)}}, 400),
    "odd token": lambda a: as_json({"access_token": [quote_request(a)]}),
    "list": lambda a: as_json([quote_request(a)]),
    "moved": lambda a: HttpReply(307, headers={"location": "http://127.0.0.1:9/" + "x"}),
    "dropped": lambda _: HttpReply(drop=True),
    **{str(status): _plain(status) for status in (200, 400, 401, 403, 404, 422, 500)},
}


@dataclass
class Told:
    """Everything that anybody could read."""

    texts: list[str] = field(default_factory=list[str])

    async def record(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Record what a call says, its error included."""
        try:
            said = await call
        except WeftError as error:
            self.texts += [str(error), repr(error), repr(error.__dict__)]
            return None
        self.texts.append(repr(said))
        if hasattr(said, "model_dump"):
            self.texts.append(json.dumps(said.model_dump(mode="json")))
        return said


def shapes(canary: str) -> set[str]:
    """Runs of the canary, in the clear, in hex and in base64 at any alignment."""
    runs = {canary[at : at + RUN_CHARS] for at in range(len(canary) - RUN_CHARS + 1)}
    runs |= {run.encode().hex() for run in runs}
    for pad in range(3):
        packed = base64.b64encode(b"x" * pad + canary.encode()).decode()
        runs.add(packed[4:-4])
    return runs


@asynccontextmanager
async def serve_failures(answer: Callable[[HttpRequest], HttpReply]) -> AsyncGenerator[str]:
    async with serve(answer) as site:
        yield site.url


@pytest.mark.parametrize("failure", FAILURES)
async def test_no_failure_tells_or_stores_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="weft")
    told = Told()
    async with (
        serve_failures(FAILURES[failure]) as bad_url,
        serve_oauth_provider() as provider,
        open_oauth_harness(tmp_path) as harness,
    ):
        await refuse_tokens(told, harness, bad_url)
        await fail_provider(told, harness, bad_url)
        await fail_consent(told, harness, bad_url)
        await fail_refresh(told, harness, provider, FAILURES[failure])
        told.texts.append(caplog.text)
        told.texts += [
            path.read_bytes().decode("latin-1") for path in harness.local.home.glob("weft.db*")
        ]
    for name, canary in CANARIES.items():
        for run in shapes(canary):
            assert not any(run in text for text in told.texts), f"{name}: {run}"


async def refuse_tokens(told: Told, harness: OAuthHarness, url: str) -> None:
    token = OAuthTokenAuth(access_token=CANARIES["access"], refresh_token=CANARIES["refresh"])
    clients = LocalOAuthClients(harness.local.engine)
    told.texts.append(repr(await clients.set("oauth_stub", "id", CANARIES["client"], url)))
    await told.record(harness.create({"provider_url": url}, auth=Auth(oauth_token=token)))
    expired = token.model_copy(update={"expires_at": harness.local.clock.now})
    await told.record(harness.create({"provider_url": url}, auth=Auth(oauth_token=expired)))
    told.texts.append(repr(Auth(oauth_token=token)))


async def fail_provider(told: Told, harness: OAuthHarness, url: str) -> None:
    known = LocalAuthProviders(harness.local.engine)
    key, base = CANARIES["api_key"], {"base_url": url}
    secrets = {"api_key": key, "client_id": "c", "client_secret": key}
    more = {**base, "project_id": "p"}
    organization_id = "organization-1"
    for kind, options in (("composio", base), ("pipedream", more)):
        await told.record(
            known.add(organization_id, kind, f"{kind}-canary", secrets, options, (url,))
        )
        auth = AuthProviderAuth(
            provider_readable_id=f"{kind}-canary", provider_config={"entity_id": "u"}
        )
        await told.record(harness.create({"provider_url": url}, auth=Auth(auth_provider=auth)))


async def fail_consent(told: Told, harness: OAuthHarness, url: str) -> None:
    made: Connection | None = await told.record(
        harness.create({"provider_url": url}, auth=own_client(client_secret=CANARIES["client"]))
    )
    assert made is not None
    start = await told.record(harness.sessions.start(token_of(made)))
    params = {"state": params_of(start.url)["state"], "code": CANARIES["access"]}
    await told.record(harness.sessions.callback(params, start.browser))
    await told.record(harness.get(made))


async def fail_refresh(
    told: Told,
    harness: OAuthHarness,
    provider: OAuthProvider,
    answer: Callable[[HttpRequest], HttpReply],
) -> None:
    issued = provider.issue("weft")
    issued.access_token, issued.refresh_token = CANARIES["access"], CANARIES["refresh"]
    clients = LocalOAuthClients(harness.local.engine)
    await clients.set("oauth_stub", "weft", CANARIES["client"], provider.url)
    auth = OAuthTokenAuth(access_token=issued.access_token, refresh_token=issued.refresh_token)
    made: Connection | None = await told.record(
        harness.create(
            {"provider_url": provider.url}, auth=Auth(oauth_token=auth), sync_immediately=False
        )
    )
    assert made is not None
    provider.expire()
    provider.answers = answer
    await told.record(harness.local.backend.connections.check(made.id))
    job = await told.record(harness.local.backend.jobs.run(made.id))
    await told.record(harness.local.run_claimed(await harness.local.claim()))
    await told.record(harness.local.backend.jobs.get(job.id))
    await told.record(harness.local.read_log(job))
    await told.record(harness.get(made))
