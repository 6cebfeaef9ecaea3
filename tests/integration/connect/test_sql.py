"""Real databases are searchable in few calls, and never written; troubles delete nothing."""

import gc
import os
import signal
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.patience import LOOK_SECONDS, PATIENCE_SECONDS
from tests.support.sources.agents import Agent, open_agent
from tests.support.sources.databases import (
    ADMIN,
    ADMIN_PASSWORD,
    HOST,
    DatabaseServer,
    run_mariadb,
    run_postgresql,
)
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    SourceMisconfigured,
    SourceUnavailable,
)
from weft.local.auth.named_secrets import NamedSecrets
from weft.net.client import http_factory
from weft.sources.base import Complete, Event, SourceContext
from weft.sources.sql import mysql
from weft.sources.sql import postgresql as postgres
from weft.sources.sql.config import SqlConfig, SqlCredentials
from weft.sources.sql.source import SqlSource
from weft.testing.source_contract import events_of, id_of

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 5
ROWS = 200
ADMINISTRATOR = {"user": ADMIN, "password": ADMIN_PASSWORD}


@pytest.fixture(scope="module")
def postgresql() -> Generator[DatabaseServer]:
    with run_postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def mariadb() -> Generator[DatabaseServer]:
    with run_mariadb() as running:
        yield running


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each server, with two tables of which one has several pages."""
    running: DatabaseServer = request.getfixturevalue(request.param)
    filler = ", ".join(f"({number}, 'Customer {number}')" for number in range(1, ROWS + 1))
    running.run(
        "drop table if exists customers, notes, sales",
        "create table customers (id int primary key, name varchar(50))",
        "create table notes (id int primary key, body text)",
        f"insert into customers values {filler}",
        "insert into notes values (1, 'walruses like clams'), (2, 'otters')",
        "grant select on customers to reader",
        "grant select on notes to reader",
    )
    return running


def context_of(*hosts: str) -> SourceContext:
    return SourceContext(http=http_factory(()), allow_hosts=frozenset(hosts or (HOST,)))


def source(server: DatabaseServer, *hosts: str, **config: Any) -> SqlSource:
    chosen = SqlConfig.model_validate({"url": server.url, **config})
    given = SqlCredentials.model_validate(server.credentials)
    return SqlSource(chosen, given, context_of(*hosts))


@asynccontextmanager
async def agent_of(home: Path, context: SourceContext) -> AsyncGenerator[Agent]:
    async with open_agent(home, SqlSource, context=context) as opened:
        yield opened


async def test_server_is_searchable_in_four_calls(server: DatabaseServer, tmp_path: Path) -> None:
    async with agent_of(tmp_path, context_of()) as agent:
        await agent.call("get_source", short_name="sql")
        await agent.call(
            "create_connection",
            short_name="sql",
            config={"url": server.url},
            auth={"credentials": server.credentials},
        )
        await agent.follow()
        await agent.call("search", query="walruses")
        assert "walruses like clams" in agent.answers[-1]
        assert len(agent.answers) == 4
        assert not [text for text in agent.answers if server.credentials["password"] in text]


async def test_file_is_searchable_in_four_calls_and_an_emptied_table_is_held(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "shop.db"
    path.parent.mkdir()
    shop = sqlite3.connect(path)
    shop.execute("create table notes (id integer primary key, body text)")
    bodies = [(f"walrus number {number}",) for number in range(50)]
    shop.executemany("insert into notes (body) values (?)", bodies)
    shop.commit()
    context = SourceContext(http=http_factory(()), files_roots=(path.parent,))
    async with agent_of(tmp_path, context) as agent:
        await agent.call("get_source", short_name="sql")
        made = await agent.call("create_connection", short_name="sql", config={"path": str(path)})
        await agent.follow()
        await agent.call("search", query="walrus")
        assert "walrus number" in agent.answers[-1]
        assert len(agent.answers) == 4

        shop.execute("delete from notes")
        shop.commit()
        shop.close()
        job = await agent.sync(made["id"], full=True)
        assert (job.status, job.entities_deleted) == (JobStatus.COMPLETED, 0)
        assert job.deletions_held > 0


@pytest.mark.parametrize(
    "query",
    [
        "select 1 as id; delete from notes",
        "select 1 as id) as x; delete from notes; select * from (select 1 as id",
        "delete from notes returning id",
        "with gone as (delete from notes returning id) select * from gone",
        "set transaction read write",
        "select id from notes for update",
        "select nothing from notes",
        "select $1 as id",
        "select 1 as id /*",
        "update notes set body = ''",
        "drop table notes",
    ],
)
async def test_query_that_does_more_than_read_is_refused(
    server: DatabaseServer, query: str
) -> None:
    tried = source(server, query=query, id_column="id")
    tried.credentials = SqlCredentials.model_validate(ADMINISTRATOR)
    # MariaDB reads rows that somebody locks for a change, and changes nothing.
    if server.scheme == "postgresql" or "for update" not in query:
        with pytest.raises(SourceMisconfigured) as refused:
            await events_of(tried)
        assert refused.value.field == "query"
    assert list(server.run("select id from notes order by id")) == [(1,), (2,)]


async def test_percent_signs_are_only_text(server: DatabaseServer) -> None:
    name = '"50% %s"' if server.scheme == "postgresql" else "`50% %s`"
    query = f"select id as {name}, '100% %% %(x)s' as title from notes where body like '%alrus%'"
    (row, *_) = await events_of(source(server, query=query, id_column="50% %s"))
    assert isinstance(row, Entity)
    assert (row.id, row.title) == ("query/1", "100% %% %(x)s")


async def test_query_calls_no_function_that_writes(postgresql: DatabaseServer) -> None:
    postgresql.run(
        "drop sequence if exists counter",
        "create sequence counter",
        "create or replace function leave() returns int language sql as"
        " $$ create table left_behind (id int); select 1 $$",
    )
    for call in ("nextval('counter')", "leave()", "set_config('transaction_read_only','off',true)"):
        tried = source(postgresql, query=f"select {call} as id", id_column="id")
        tried.credentials = SqlCredentials.model_validate(ADMINISTRATOR)
        with pytest.raises(SourceMisconfigured):
            await events_of(tried)
    assert postgresql.run("select count(*) from pg_tables where tablename = 'left_behind'") == [
        (0,)
    ]


async def test_partition_is_read_once_with_its_table(postgresql: DatabaseServer) -> None:
    postgresql.run(
        "drop table if exists customers, notes, sales",
        "create table sales (id int primary key) partition by range (id)",
        "create table sales_1 partition of sales for values from (0) to (100)",
        "insert into sales values (7)",
        "grant select on all tables in schema public to reader",
    )
    for tables, read in (([], "sales"), (["sal*"], "sales"), (["sales_1"], "sales_1")):
        events = await events_of(source(postgresql, tables=tables))
        assert [i for event in events if (i := id_of(event))] == [f"public.{read}/7"]


async def test_query_of_a_cancelled_sync_ends(server: DatabaseServer) -> None:
    nap = "sleep(600)"
    running = "information_schema.processlist where user = 'reader' and info like '%sleep(600)%'"
    if server.scheme == "postgresql":
        nap = "pg_sleep(600)::text"
        running = "pg_stat_activity where usename = 'reader' and state = 'active'"
        running += " and query like 'FETCH%'"
    asked = source(server, query=f"select {nap} as id", id_column="id")

    async def wait_for_running(count: int) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while server.run(f"select count(*) from {running}")[0][0] != count:  # noqa: ASYNC110
                await anyio.sleep(LOOK_SECONDS)

    async with anyio.create_task_group() as group:
        group.start_soon(events_of, asked)
        await wait_for_running(1)
        group.cancel_scope.cancel()
    await wait_for_running(0)
    # What was left open would be told of now, and not in another test.
    gc.collect()


async def test_wrong_database_and_user_are_told(server: DatabaseServer) -> None:
    nowhere = f"{server.scheme}://{HOST}:{server.port}/nowhere"
    with pytest.raises((SourceMisconfigured, AccessDenied)) as missing:
        await source(server, url=nowhere).check()
    assert missing.value.field == "url"
    stranger = source(server)
    stranger.credentials = SqlCredentials.model_validate({"user": "who", "password": "canary-22"})
    with pytest.raises(AuthenticationFailed) as refused:
        await stranger.check()
    assert "canary" not in str(refused.value)


async def test_password_of_the_operators_environment_is_not_sent(
    postgresql: DatabaseServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user, password = postgresql.credentials["user"], postgresql.credentials["password"]
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:{user}:{password}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    monkeypatch.setenv("PGPASSWORD", password)
    tried = source(postgresql)
    tried.credentials = SqlCredentials.model_validate({"user": user})
    with pytest.raises(AuthenticationFailed):
        await tried.check()


async def test_permission_that_is_lost_deletes_nothing(
    server: DatabaseServer, tmp_path: Path
) -> None:
    async with agent_of(tmp_path, context_of()) as agent:
        # The operator keeps the password, for this server.
        secrets = NamedSecrets(agent.embedded.engine, LOCAL_ORGANIZATION_ID)
        origin = f"{server.scheme}://{HOST}:{server.port}"
        await secrets.put("shop", server.credentials["password"], sources=["sql"], hosts=[origin])
        kept = {**server.credentials, "password": {"secret_ref": "shop"}}
        made = await agent.call(
            "create_connection",
            short_name="sql",
            config={"url": server.url},
            auth={"credentials": kept},
        )
        await agent.follow()
        server.run("revoke select on notes from reader")
        job = await agent.sync(made["id"], full=True)
        assert job.entities_deleted == 0
        if server.scheme == "postgresql":
            assert job.status is JobStatus.FAILED
            assert "public.notes" in str(job.error)
        else:
            # MariaDB hides what a user may not read.
            assert job.deletions_held > 0
        await agent.call("search", query="walruses")
        assert "walruses like clams" in agent.answers[-1]


async def test_listing_is_the_database_at_one_moment(server: DatabaseServer) -> None:
    found: list[str] = []
    async with aclosing(source(server).fetch(None)) as events:
        async for event in events:
            if not found:
                server.run("insert into notes values (3, 'new')", "delete from customers")
            found += filter(None, [id_of(event)])
    assert len(found) == ROWS + 2


async def test_connection_that_is_cut_in_the_middle_is_no_complete_listing(
    server: DatabaseServer,
) -> None:
    found: list[Event] = []
    with pytest.raises(SourceUnavailable):
        await list_until_cut(server, found)
    assert found
    assert not [event for event in found if isinstance(event, Complete)]


async def list_until_cut(server: DatabaseServer, found: list[Event]) -> None:
    async with aclosing(source(server).fetch(None)) as events:
        async for event in events:
            if not found:
                end_connection(server)
            found.append(event)


async def test_statement_that_takes_too_long_is_given_up(
    server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driver in (postgres, mysql):
        monkeypatch.setattr(driver, "STATEMENT_SECONDS", 0.2)
    nap = "pg_sleep(600)::text" if server.scheme == "postgresql" else "sleep(600)"
    with pytest.raises(SourceUnavailable):
        await events_of(source(server, query=f"select {nap} as id", id_column="id"))


async def test_server_that_hangs_does_not_hold_up_a_cancelled_sync(server: DatabaseServer) -> None:
    stopped: list[int] = []
    try:
        with anyio.fail_after(CANCEL_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(list_until_stopped, server, stopped)
                while not stopped:  # noqa: ASYNC110 (the other task announces nothing)
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


async def list_until_stopped(server: DatabaseServer, stopped: list[int]) -> None:
    """Stop the server's process after the first row, and ask for more."""
    async with aclosing(source(server).fetch(None)) as events:
        async for _ in events:
            if not stopped:
                process = backend_of(server)
                os.kill(process, signal.SIGSTOP)
                stopped.append(process)
    pytest.fail("a stopped server gave all rows")


def backend_of(server: DatabaseServer) -> int:
    if server.scheme == "mysql":
        return server.process.pid
    ((process,),) = server.run("select pid from pg_stat_activity where application_name = 'weft'")
    return process


def end_connection(server: DatabaseServer) -> None:
    if server.scheme == "postgresql":
        server.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weft'"
        )
        return
    rows = server.run("select id from information_schema.processlist where user = 'reader'")
    for (number,) in rows:
        server.run(f"kill {number}")


async def test_certificate_must_fit_the_name(server: DatabaseServer) -> None:
    if not server.has_tls:
        pytest.skip("this PostgreSQL server was built without TLS")
    verified = {"sslmode": "verify-full", "ca_certificate": server.certificate}
    named = f"{server.scheme}://localhost:{server.port}/shop"
    await source(server, "localhost", url=named, **verified).check()
    for config in (verified, {"url": named, "sslmode": "verify-full"}):
        with pytest.raises(SourceMisconfigured) as refused:
            await source(server, HOST, "localhost", **config).check()
        assert refused.value.field == "sslmode"
    await source(server, sslmode="require").check()
