"""The audit: a change and its row are one transaction, and no row holds a value."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw
import pytest

from tests.support.local.harness import (
    COLLECTION,
    ORGANIZATION,
    LocalHarness,
    fetch_of,
    note,
    token_auth,
)
from tests.support.store.open import connect_here
from weft.domain.access.acting import acting
from weft.domain.access.audit import AuditEntry
from weft.domain.access.principals import Role
from weft.domain.collections import NewCollection
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.errors import AuthenticationFailed, ErrorCategory, NotFound, WeftError
from weft.local.api_keys import LocalKeys
from weft.local.audit import LocalAudit, Refusals
from weft.local.auth.named_secrets import NamedSecrets
from weft.local.jobs.scheduler import fire_due
from weft.local.store.authorizations import AuthProviderRow, OAuthClientRow
from weft.local.vault.rotation import rotate

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-51b7"


async def _read_rows(local: LocalHarness, **filters: Any) -> Sequence[AuditEntry]:
    audit = LocalAudit(local.engine.store)
    return await audit.list(organization_id=ORGANIZATION, **filters)


async def _read_actions(local: LocalHarness, **filters: Any) -> list[str]:
    found = await _read_rows(local, **filters)
    return [f"{entry.action} {entry.target_kind}" for entry in reversed(found)]


async def test_life_of_a_connection_is_told_even_after_its_end(local: LocalHarness) -> None:
    backend = local.backend
    with acting(operation="a tool", principal="key:ci", transport="http", arguments={"n": 1}):
        made = await local.connect(auth=token_auth(CANARY))
        await backend.connections.update(made.id, ConnectionChange(name="Another name"))
        local.clock.pass_time(seconds=1)
        await backend.connections.update(made.id, ConnectionChange(auth=token_auth(f"{CANARY}-2")))
        job = await backend.jobs.run(made.id)
        await backend.jobs.cancel(job.id)
        await backend.connections.delete(made.id)
    wanted = [
        "create connection",
        "update connection",
        "authorize connection",
        "run job",
        "cancel job",
        "delete connection",
    ]
    assert await _read_actions(local, connection=made.id) == wanted
    for entry in await _read_rows(local, connection=made.id):
        assert (entry.principal, entry.transport, entry.operation) == ("key:ci", "http", "a tool")
        assert entry.organization_id == ORGANIZATION
        assert entry.arguments_digest is not None
        assert CANARY not in entry.model_dump_json()


async def test_unknown_connection_is_no_empty_audit(local: LocalHarness) -> None:
    made = await local.connect()
    with pytest.raises(NotFound, match="No connection"):
        await _read_rows(local, connection="no-such-connection")
    with pytest.raises(NotFound, match="No connection"):
        await _read_rows(local, connection="00000000-0000-0000-0000-000000000000")
    assert await _read_rows(local, connection=made.id, since=datetime.max.replace(tzinfo=UTC)) == []
    await local.backend.connections.delete(made.id)
    assert await _read_rows(local, connection=made.id.upper())
    assert await _read_rows(local, connection=made.id, since=datetime.max.replace(tzinfo=UTC)) == []


async def test_sync_writes_no_rows_but_for_what_it_finds_out(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(*(note(f"n{number}") for number in range(50)))
    made = await local.connect()
    before = await _read_actions(local)
    await local.run_sync(made)
    assert await _read_actions(local) == [*before, "run job"]

    async def refuse(secret: str | None) -> str:
        raise AuthenticationFailed("The token was revoked.")

    local.script.check = refuse
    for _ in range(2):
        await local.backend.connections.check(made.id)
    found = await _read_rows(local, connection=made.id)
    assert [entry.action for entry in found] == ["needs_reauth", "run", "create"]


async def test_scheduler_s_runs_are_the_system_s(local: LocalHarness) -> None:
    made = await local.connect(schedule={"cron": "0 * * * *"})
    local.clock.pass_time(hours=2)
    await fire_due(local.engine)
    newest = (await _read_rows(local, connection=made.id))[0]
    assert (newest.action, newest.principal, newest.transport) == ("run", "system", "engine")


async def test_everything_else_that_changes_is_told(local: LocalHarness) -> None:
    store = local.engine.store
    keys, secrets = LocalKeys(store.keys), NamedSecrets(local.engine, ORGANIZATION)
    with acting(operation="a verb", principal="local", transport="cli"):
        await keys.create("ci", Role.READ, "team")
        await keys.revoke("ci")
        await secrets.put("main", CANARY, sources=["scripted"], hosts=["a.example"])
        await secrets.delete("main")
        await rotate(local.engine.vault.source, store.data_keys, local.home / "lock")
        await local.backend.collections.delete(COLLECTION)
    assert await _read_actions(local) == [
        "create collection",
        "create api_key",
        "revoke api_key",
        "set secret",
        "delete secret",
        "rotate master_key",
        "delete collection",
    ]
    assert CANARY.encode() not in (local.home / "weft.db").read_bytes()


async def test_clients_and_providers_of_the_operator_are_told_without_their_secrets(
    local: LocalHarness,
) -> None:
    store = local.engine.store
    client = OAuthClientRow("scripted", "id", "https://a.example", CANARY, local.clock.now)
    provider = AuthProviderRow("team", "main", "composio", {}, CANARY, local.clock.now)
    await store.oauth_clients.put(client)
    await store.oauth_clients.put(client)
    await store.auth_providers.insert(provider)
    assert await store.oauth_clients.delete("scripted")
    assert not await store.oauth_clients.delete("scripted")
    assert await store.auth_providers.delete("team", "main")
    assert await _read_actions(local) == [
        "create collection",
        "set oauth_client",
        "set oauth_client",
        "create auth_provider",
        "delete oauth_client",
        "delete auth_provider",
    ]
    assert CANARY not in repr(await _read_rows(local))


async def test_what_changed_nothing_has_no_row(local: LocalHarness) -> None:
    made = await local.connect()
    before = await _read_actions(local)
    for failing in (
        lambda: local.backend.connections.update(
            made.id, ConnectionChange(name="Another name", expected_version=99)
        ),
        lambda: local.backend.collections.create(
            NewCollection(name="Team Docs", readable_id=COLLECTION)
        ),
        lambda: local.backend.jobs.cancel("0000"),
        lambda: local.connect(readable_collection_id="nobody"),
    ):
        with pytest.raises(WeftError):
            await failing()
    assert await _read_actions(local) == before


async def _mark(local: LocalHarness, connection_id: str) -> None:
    await local.engine.store.connections.mark(
        await local.backend.connections.get(connection_id),
        ConnectionStatus.NEEDS_REAUTH,
        ErrorCategory.API_KEY_INVALID,
        "refused",
    )


Change = Callable[[LocalHarness, str, str], Awaitable[object]]

CHANGES: dict[str, Change] = {
    "create": lambda local, _c, _j: local.connect(name="Another one"),
    "update": lambda local, c, _j: local.backend.connections.update(
        c, ConnectionChange(name="Another name")
    ),
    "authorize": lambda local, c, _j: local.backend.connections.update(
        c, ConnectionChange(auth=token_auth("other"))
    ),
    "mark": lambda local, c, _j: _mark(local, c),
    "cancel": lambda local, _c, j: local.backend.jobs.cancel(j),
    "delete": lambda local, c, _j: local.engine.store.trash.delete_connection(ORGANIZATION, c),
    "collection": lambda local, _c, _j: local.create_collection("another"),
    "key": lambda local, _c, _j: LocalKeys(local.engine.store.keys).create("k", Role.READ, "team"),
    "revoke": lambda local, _c, _j: LocalKeys(local.engine.store.keys).revoke("old"),
    "secret": lambda local, _c, _j: NamedSecrets(local.engine, ORGANIZATION).put(
        "s", "v", sources=["scripted"], hosts=["a.example"]
    ),
    "forget secret": lambda local, _c, _j: NamedSecrets(local.engine, ORGANIZATION).delete("old"),
    "rotation": lambda local, _c, _j: local.engine.store.data_keys.begin_rotation("new"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_change_whose_row_cannot_be_written_does_not_happen(
    local: LocalHarness, change: str
) -> None:
    made = await local.connect(auth=token_auth("first"))
    job = await local.backend.jobs.run(made.id)
    await LocalKeys(local.engine.store.keys).create("old", Role.READ, "team")
    secrets = NamedSecrets(local.engine, ORGANIZATION)
    await secrets.put("old", "v", sources=["scripted"], hosts=["a.example"])
    local.clock.pass_time(seconds=1)
    if change == "secret":
        # What is sealed has its data key before it is stored; that alone changes nothing.
        place = (ORGANIZATION, "secret:s", "")
        await local.engine.seal(*place, {})
    database = connect_here(str(local.home / "weft.db"))
    try:
        database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'broken'); END"
        )
        before = _read_state(database, change)
        with pytest.raises(WeftError):
            await CHANGES[change](local, made.id, job.id)
        assert _read_state(database, change) == before
        database.execute("DROP TRIGGER broken")
        await CHANGES[change](local, made.id, job.id)
        assert _read_state(database, change) != before, "the change does something, once it may"
    finally:
        database.close()


def _read_state(database: Any, change: str) -> dict[str, list[Any]]:
    tables = ["connection", "collection", "job", "api_key", "operator_secret", "master_key"]
    if change not in ("create", "authorize"):
        # These seal first; the data key of a change that failed is of no use to anybody.
        tables.append("data_key")
    return {table: list(database.execute(f"SELECT * FROM {table}")) for table in tables}


async def test_rows_are_never_changed(local: LocalHarness) -> None:
    database = connect_here(str(local.home / "weft.db"))
    with pytest.raises(apsw.ConstraintError, match="never changed"):
        database.execute("UPDATE audit SET principal = 'nobody'")
    database.close()


async def test_only_rows_of_the_asked_time_are_shown_and_old_ones_are_dropped(
    local: LocalHarness,
) -> None:
    store, now = local.engine.store, local.clock.now
    for days in range(5):
        await store.audit.append(_entry(at=now - timedelta(days=days), target_id=str(days)))
    recent = await store.audit.list(
        connection_id=None, since=now - timedelta(days=2, hours=1), limit=100
    )
    assert {entry.target_id for entry in recent} >= {"0", "1", "2"}
    assert "3" not in {entry.target_id for entry in recent}
    assert await store.audit.prune(timedelta(days=2, hours=1), 1) == 1
    assert await store.audit.prune(timedelta(days=2, hours=1), 100) == 1
    assert await store.audit.prune(timedelta(days=2, hours=1), 100) == 0
    kept = await store.audit.list(connection_id=None, since=None, limit=100)
    assert {"0", "1", "2"} <= {entry.target_id for entry in kept}
    assert len(await store.audit.list(connection_id=None, since=None, limit=2)) == 2


async def test_refusals_of_a_kind_are_recorded_once_a_minute(local: LocalHarness) -> None:
    times = [0.0, 1.0, 59.0, 61.0]
    refusals, store = Refusals(lambda: times.pop(0)), local.engine.store.audit
    for _ in range(4):
        await refusals.record(store, ORGANIZATION, "tool", "delete_connection", "not permitted")
    found = [entry for entry in await _read_rows(local) if entry.action == "refused"]
    assert len(found) == 2
    assert {entry.outcome for entry in found} == {"not permitted"}


async def test_refusals_that_are_remembered_are_bounded(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.local.audit._REMEMBERED", 2)
    refusals, store = Refusals(lambda: 0.0), local.engine.store.audit
    for name in ("a", "b", "a", "c", "a"):
        await refusals.record(store, ORGANIZATION, "tool", name, "not permitted")
    found = [entry.target_id for entry in await _read_rows(local) if entry.action == "refused"]
    # What is forgotten with the third name is recorded once more.
    assert found[::-1] == ["a", "b", "c", "a"]


async def test_refusal_is_the_same_when_it_cannot_be_recorded(
    local: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    database = connect_here(str(local.home / "weft.db"))
    database.execute("DROP TABLE audit")
    database.close()
    await Refusals().record(local.engine.store.audit, ORGANIZATION, "tool", "x", "not permitted")
    assert "cannot record" in caplog.text


def _entry(**fields: Any) -> AuditEntry:
    facts: dict[str, Any] = {
        "organization_id": ORGANIZATION,
        "principal": "p",
        "transport": "t",
        "operation": "o",
        "action": "a",
        "target_kind": "k",
    }
    return AuditEntry(**facts | fields)
