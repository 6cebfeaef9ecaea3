"""`weft connections authorize`: the link, the wait, and its end."""

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from tests.support.cli import FakeBackend, FakeConnections, make_connection, make_job
from tests.support.terminal import Terminal
from weft.backend import Authorization, Changes
from weft.domain.connections import (
    Auth,
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    NewConnection,
)
from weft.domain.jobs import JobStatus
from weft.errors import Conflict

LINK = "http://127.0.0.1:1234/authorize/t0k3n"


def make_connection_in(
    status: ConnectionStatus, at: datetime | None = None, **auth: Any
) -> Connection:
    done = status is ConnectionStatus.ACTIVE
    details = AuthDetails(method=AuthMethod.DIRECT, authenticated=done, authenticated_at=at, **auth)
    return make_connection(status=status, auth=details)


class Links(Authorization, Changes):
    """Links, and the steps by which a person changes the connection while the verb waits."""

    def __init__(self, backend: FakeBackend, *steps: Connection, seconds: float = 600) -> None:
        self.backend = backend
        self.steps = list(steps)
        self.seconds = seconds
        self.claim: str | None = None
        self.verified: list[str] = []
        self.verifies: Connection | None = None
        self.begun = 0
        backend.authorization = self
        backend.changes = self
        self.show(self.steps.pop(0))

    def show(self, now: Connection) -> None:
        self.backend.known["con-1"] = self.backend.known["My notes"] = now

    async def follow(self) -> AsyncGenerator[None]:
        yield
        for step in self.steps:
            self.show(step)
            yield
        await anyio.sleep_forever()

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        raise NotImplementedError

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        self.begun += 1
        found = self.backend.known[connection]
        given = {
            "auth_url": LINK,
            "auth_url_expires": datetime.now(UTC) + timedelta(seconds=self.seconds),
            "claim_token": self.claim,
        }
        return found.model_copy(update={"auth": found.auth.model_copy(update=given)})

    async def verify(self, connection: str, claim_token: str) -> Connection:
        self.verified.append(claim_token)
        if self.verifies is None or len(self.verified) == 1:
            raise Conflict("The person has not finished.")
        return self.verifies


class PendingConnections(FakeConnections):
    """Creates connections that wait for credentials, with or without a link."""

    link: str | None = None

    async def create(self, new: NewConnection) -> Connection:
        await super().create(new)
        auth = PENDING.auth.model_copy(update={"auth_url": self.link, "claim_token": "made"})
        return PENDING.model_copy(update={"auth": auth})


PENDING = make_connection_in(ConnectionStatus.PENDING_AUTH)
ACTIVE = make_connection_in(ConnectionStatus.ACTIVE, datetime(2026, 11, 22, tzinfo=UTC))
LATER = make_connection_in(ConnectionStatus.ACTIVE, datetime(2026, 11, 23, tzinfo=UTC))


def test_the_link_is_shown_and_the_end_is_told(tmp_path: Path) -> None:
    backend = FakeBackend()
    Links(backend, PENDING, PENDING, ACTIVE)
    done = Terminal(tmp_path, backend).run("connections", "authorize", "My notes")
    assert done.exit_code == 0, done.output
    assert LINK in done.stderr
    assert "is authorised; it is active" in done.stdout
    assert "weft sync" in done.stderr


def test_an_active_connection_is_done_when_it_has_new_credentials(tmp_path: Path) -> None:
    backend = FakeBackend()
    Links(backend, ACTIVE, ACTIVE, LATER)
    done = Terminal(tmp_path, backend).run("connections", "authorize", "con-1", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["auth"]["authenticated_at"].startswith("2026-11-23")


def test_who_began_it_confirms_it(tmp_path: Path) -> None:
    backend = FakeBackend()
    links = Links(backend, PENDING, PENDING, PENDING)
    links.claim, links.verifies = "c1aim", ACTIVE
    done = Terminal(tmp_path, backend).run("connections", "authorize", "con-1")
    assert done.exit_code == 0, done.output
    assert links.verified == ["c1aim", "c1aim"]
    assert "c1aim" not in done.output


def test_a_link_that_expires_is_told(tmp_path: Path) -> None:
    backend = FakeBackend()
    Links(backend, PENDING, PENDING, seconds=0.05)
    done = Terminal(tmp_path, backend).run("connections", "authorize", "con-1")
    assert done.exit_code != 0
    assert "expired" in done.stderr


def test_a_backend_without_links_says_so(tmp_path: Path) -> None:
    done = Terminal(tmp_path).run("connections", "authorize", "con-1")
    assert done.exit_code != 0
    assert "cannot authorise" in done.stderr


def test_a_connection_is_created_and_then_authorised_in_a_browser(tmp_path: Path) -> None:
    backend = FakeBackend(script=[make_job(JobStatus.COMPLETED)])
    Links(backend, PENDING, PENDING, ACTIVE)
    backend.connections = PendingConnections(backend)
    given = ("crm", "--collection", "docs", "--config", "site=x", "--authorize")
    done = Terminal(tmp_path, backend).run("connections", "create", *given)
    assert done.exit_code == 0, done.output
    (new,) = backend.calls_of("connections.create")
    assert new.auth is None
    assert LINK in done.stderr
    assert backend.calls_of("jobs.run") == [False]
    assert "COMPLETED" in done.stdout


def test_the_link_of_a_new_connection_is_the_one_that_is_shown(tmp_path: Path) -> None:
    backend = FakeBackend(script=[make_job(JobStatus.COMPLETED)])
    links = Links(backend, PENDING, PENDING, PENDING, seconds=0.05)
    links.verifies = ACTIVE
    backend.connections = pending = PendingConnections(backend)
    pending.link = f"{LINK}-of-create"
    given = ("crm", "--collection", "docs", "--config", "site=x", "--authorize")
    done = Terminal(tmp_path, backend).run("connections", "create", *given)
    assert done.exit_code == 0, done.output
    assert pending.link in done.stderr
    assert links.begun == 0, "another link would end the first, and be audited"
    assert links.verified == ["made", "made"]
