"""What the source `sql` reads of a SQLite file, and what it refuses."""

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import ConnectionFault, NotPermitted, SourceMisconfigured, SourceUnavailable
from weft.sources.base import Complete, Event, Skipped
from weft.sources.sql import connect, sqlite
from weft.sources.sql.config import SqlConfig, SqlCredentials
from weft.sources.sql.session import Session
from weft.sources.sql.source import SqlSource
from weft.testing.source_contract import events_of, last_cursor, offline_context

pytestmark = pytest.mark.anyio

CANCEL_SECONDS = 5
ENDLESS = (
    "create view endless as with recursive n(x) as (select 1 union all select x + 1 from n)"
    " select x as id from n where x < 0"
)


class Shop:
    """A database file and the source that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, script: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    async def read(self, cursor: Json | None = None, **config: Any) -> list[Event]:
        context = offline_context(files_roots=(self.path.parent,))
        chosen = SqlConfig.model_validate({"path": str(self.path), **config})
        return await events_of(SqlSource(chosen, SqlCredentials(), context), cursor)

    async def entities(self, cursor: Json | None = None, **config: Any) -> dict[str, Entity]:
        events = await self.read(cursor, **config)
        return {event.id: event for event in events if isinstance(event, Entity)}

    async def refuse(self, **config: Any) -> ConnectionFault:
        with pytest.raises(ConnectionFault) as refused:
            await self.read(**config)
        return refused.value


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


async def test_row_is_read_with_title_text_time_and_metadata(shop: Shop) -> None:
    shop.run(
        "create table customers (id integer primary key, name text, age int, score real,"
        " updated_at text, note text);"
        "insert into customers values (7, 'Ada', 36, 1e999, '2026-01-02T03:04:05+01:00', null)"
    )
    (entity,) = (await shop.entities()).values()
    assert (entity.id, entity.title, entity.type) == ("customers/7", "Ada", "row")
    assert entity.text.splitlines()[:3] == ["id: 7", "name: Ada", "age: 36"]
    assert "note" not in entity.text
    assert str(entity.updated_at) == "2026-01-02 02:04:05+00:00"
    assert entity.breadcrumbs == ("customers",)
    columns = entity.metadata["columns"]
    assert isinstance(columns, dict)
    assert (columns["age"], columns["score"]) == (36, "inf")


async def test_chosen_columns_are_the_title_and_the_text(shop: Shop) -> None:
    shop.run(
        "create table posts (id integer primary key, slug text, body text, extra text);"
        "insert into posts values (1, 'a slug', 'the body', 'more')"
    )
    (entity,) = (await shop.entities(title_column="extra", text_columns=["body"])).values()
    assert (entity.title, entity.text) == ("more", "the body")
    refused = await shop.refuse(text_columns=["bdy"])
    assert refused.field == "text_columns"
    assert "body" in str(refused)


async def test_secrets_and_bytes_are_left_out_and_told(shop: Shop) -> None:
    shop.run(
        "create table users (id integer primary key, login text, password_hash text,"
        " api_key text, photo blob, tokens_used int);"
        "insert into users values (1, 'ada', 'bcrypt$x', 'sk-1', x'00ff', 5)"
    )
    (entity,) = (await shop.entities()).values()
    assert entity.metadata["left_out"] == ["password_hash", "api_key", "photo"]
    assert not {"bcrypt$x", "sk-1"} & {part.partition(": ")[2] for part in entity.text.split("\n")}
    assert "tokens_used: 5" in entity.text
    (entity,) = (await shop.entities(text_columns=["api_key"])).values()
    assert entity.text == "sk-1"


async def test_names_that_are_sql_are_only_names(shop: Shop) -> None:
    name, column = 'we"ird; drop table x --', "100% :of it's"
    quoted = f'"{name.replace(chr(34), chr(34) * 2)}"'
    shop.run(
        f"create table x (id integer primary key); insert into x values (1);"
        f'create table {quoted} ("{column}" text primary key, "a b" text);'
        f"insert into {quoted} values ('k/1,%', 'value')"
    )
    entities = await shop.entities(tables=[name], id_column=column, title_column="a b")
    (entity,) = entities.values()
    assert entity.title == "value"
    assert f"{column}: k/1,%" in entity.text
    assert entity.id.endswith("/k%2F1%2C%25")
    assert len(await shop.entities(tables=["x"])) == 1


async def test_tables_are_chosen_by_name_and_glob(shop: Shop) -> None:
    shop.run(
        "".join(
            f"create table {name} (id integer primary key); insert into {name} values (1);"
            for name in ("sales_a", "sales_b", "log")
        )
    )
    assert set(await shop.entities(tables=["sales_*"])) == {"sales_a/1", "sales_b/1"}
    assert set(await shop.entities(tables=["LOG", "main.sales_a"])) == {"log/1", "sales_a/1"}
    refused = await shop.refuse(tables=["sale_a"])
    assert refused.field == "tables"
    assert "sales_a" in str(refused)


async def test_what_an_index_keeps_is_no_table_of_its_own(shop: Shop) -> None:
    shop.run(
        "create table posts (id integer primary key, body text);"
        "insert into posts values (1, 'walrus');"
        "create virtual table found using fts5(body, content=posts, content_rowid=id);"
        "insert into found(found) values ('rebuild')"
    )
    assert set(await shop.entities()) == {"posts/1"}
    assert set(await shop.entities(tables=["*"])) == {"posts/1"}


async def test_table_without_a_key_is_skipped_or_refused_by_name(shop: Shop) -> None:
    shop.run(
        "create table links (a int, b int); insert into links values (1, 2);"
        "create table codes (code text not null, name text);"
        "create unique index one on codes (code); insert into codes values ('x', 'X');"
        "create table names (name text not null unique); insert into names values ('y');"
        "create table loose (code text not null, gone int);"
        "create unique index some on loose (code) where gone is null;"
    )
    events = await shop.read()
    skipped = {event.id: event.reason for event in events if isinstance(event, Skipped)}
    assert skipped == dict.fromkeys(("links", "loose"), "the table has no primary key")
    assert set(await shop.entities()) == {"codes/x", "names/y"}
    refused = await shop.refuse(tables=["links"])
    assert refused.field == "id_column"
    assert "links" in str(refused)
    assert set(await shop.entities(tables=["links"], id_column="b")) == {"links/2"}


async def test_view_and_composite_key_and_empty_key_are_read(shop: Shop) -> None:
    shop.run(
        "create table items (a int, b text, primary key (a, b));"
        "insert into items values (1, 'x'), (1, 'y'), (null, 'z'), (null, 'zz');"
        "create view seen as select b, a from items where a is not null"
    )
    events = await shop.read(tables=["items"])
    ids = [event.id for event in events if isinstance(event, Entity | Skipped)]
    assert sorted(ids) == ["items", "items/1,x", "items/1,y"]
    assert set(await shop.entities(tables=["seen"], id_column="b")) == {"seen/x", "seen/y"}


async def test_key_that_comes_twice_ends_the_sync(shop: Shop) -> None:
    shop.run("create table t (id integer primary key, k int); insert into t values (1, 5), (2, 5)")
    refused = await shop.refuse(tables=["t"], id_column="k")
    assert refused.field == "id_column"


async def test_long_row_is_skipped_and_told(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, body text);"
        "insert into t values (1, 'short'), (2, replace(hex(zeroblob(500)), '0', 'é'))"
    )
    events = await shop.read(max_row_size=100)
    assert [event.id for event in events if isinstance(event, Entity)] == ["t/1"]
    (skipped,) = [event for event in events if isinstance(event, Skipped)]
    assert (skipped.id, skipped.reason) == ("t/2", "longer than 100 characters")


async def test_long_values_are_fetched_a_few_at_a_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("create table t (id integer primary key)")
    fetched: list[int] = []
    fetch_page = Session.fetch_page

    def count(self: Session, result: Any, size: int) -> Any:
        rows = fetch_page(self, result, size)
        fetched.append(sum(len(value) for row in rows for value in row if isinstance(value, str)))
        return rows

    monkeypatch.setattr(Session, "fetch_page", count)
    numbers = "with recursive n(id) as (select 1 union all select id + 1 from n where id < 60)"
    await shop.read(
        query=f"{numbers} select id, printf('%.*c', 2000000, 'x') from n", id_column="id"
    )
    assert sum(fetched) == 60 * 2_000_000
    assert max(fetched) <= 4_000_000


async def test_query_is_read(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, name text);"
        "insert into t values (1, 'Ada'), (2, '50%')"
    )
    query = "with n as (select id as key, name from t order by 2) select * from n -- all;"
    entities = await shop.entities(query=query, id_column="key")
    assert {i: e.title for i, e in entities.items()} == {"query/1": "Ada", "query/2": "50%"}


@pytest.mark.parametrize(
    "query",
    [
        "select 1 as id; delete from t",
        "select 1 as id) as x; delete from t; select * from (select 1 as id",
        "delete from t returning id",
        "insert into t values (9) returning id",
        "pragma user_version = 5",
        "select 1 as id) as x union select * from (pragma query_only = 0",
        "attach database 'other.db' as id",
        "select load_extension('x') as id",
        "select fts3_tokenizer('simple', x'4141414141414141') as id",
        "select name as id from pragma_function_list",
        "select 1 as id where :unbound",
        "select nothing from nowhere",
        "select 1 as id /*",
    ],
)
async def test_query_that_does_more_than_read_changes_nothing(shop: Shop, query: str) -> None:
    shop.run("create table t (id integer primary key); insert into t values (1)")
    before = shop.path.read_bytes()
    refused = await shop.refuse(query=query, id_column="id")
    assert refused.field == "query"
    assert shop.path.read_bytes() == before
    assert [path.name for path in shop.path.parent.iterdir()] == ["shop.db"]


async def test_file_outside_the_roots_or_no_database_is_refused(shop: Shop) -> None:
    shop.run("create table t (id integer primary key); insert into t values (1)")
    with pytest.raises(NotPermitted) as refused:
        await shop.read(path="/etc/passwd")
    assert (refused.value.field, bool(refused.value.needs)) == ("path", True)
    other = shop.path.with_name("notes.txt")
    other.write_text("no database " * 100)
    for path in (other, shop.path.parent):
        assert (await shop.refuse(path=str(path))).field == "path"
    (shop.path.parent / "empty.db").touch()
    assert "no tables" in str(await shop.refuse(path=str(shop.path.parent / "empty.db")))


async def test_damaged_file_deletes_nothing(shop: Shop) -> None:
    shop.run("create table t (id integer primary key, body text);")
    connection = sqlite3.connect(shop.path)
    connection.executemany("insert into t (body) values (?)", [("x" * 500,)] * 100)
    connection.commit()
    connection.close()
    data = bytearray(shop.path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    shop.path.write_bytes(data)
    with pytest.raises(SourceMisconfigured, match="damaged"):
        await shop.read()


async def test_later_sync_reads_what_is_new_or_was_committed_late(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, body text, at text);"
        "insert into t values (1, 'a', '2026-01-01 10:00:00'), (2, 'b', '2026-01-01 12:00:00');"
    )
    chosen: dict[str, Any] = {"cursor_column": "at"}
    cursor = last_cursor(await shop.read(**chosen))
    shop.run(
        "insert into t values (3, 'same', '2026-01-01 12:00:00'),"
        " (4, 'late', '2026-01-01 11:55:00'), (5, 'too late', '2026-01-01 11:00:00'),"
        " (6, 'new', '2026-01-02T00:00:00Z'), (7, 'never', null)"
    )
    assert set(await shop.entities(cursor, **chosen)) == {"t/3", "t/4", "t/6"}
    events = await shop.read(cursor, **chosen)
    assert await shop.entities(last_cursor(events), **chosen) == {}


async def test_full_listing_ends_complete_without_what_was_deleted(shop: Shop) -> None:
    shop.run("create table t (id integer primary key); insert into t values (1), (2)")
    assert set(await shop.entities()) == {"t/1", "t/2"}
    shop.run("delete from t where id = 1")
    events = await shop.read()
    assert [event.id for event in events if isinstance(event, Entity)] == ["t/2"]
    last = events[-1]
    assert isinstance(last, Complete)
    assert last.doubt is None


async def test_hard_link_to_wefts_own_state_is_refused(shop: Shop, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    shop.path = private / "weft.db"
    shop.run("create table t (id integer primary key); insert into t values (1)")
    linked = tmp_path / "data.db"
    linked.hardlink_to(shop.path)
    context = offline_context(files_roots=(tmp_path,), private_paths=(private,))
    for path in (linked, shop.path):
        with pytest.raises((SourceMisconfigured, NotPermitted)) as refused:
            await events_of(SqlSource(SqlConfig(path=str(path)), SqlCredentials(), context))
        assert refused.value.field == "path"


async def test_far_future_hides_nothing(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, at text);"
        "insert into t values (1, '9999-01-01 00:00:00')"
    )
    cursor = last_cursor(await shop.read(cursor_column="at"))
    shop.run("insert into t values (2, datetime('now'))")
    assert "t/2" in await shop.entities(cursor, cursor_column="at")


async def test_numbers_overlap_and_tables_without_the_column_are_read_whole(shop: Shop) -> None:
    shop.run(
        "create table t (seq integer primary key); insert into t values (1), (5000);"
        "create table plain (id integer primary key); insert into plain values (1)"
    )
    cursor = last_cursor(await shop.read(cursor_column="seq"))
    shop.run("insert into t values (4500), (3000), (5001)")
    found = await shop.entities(cursor, cursor_column="seq")
    assert set(found) == {"t/4500", "t/5001", "plain/1"}


async def test_table_whose_columns_changed_is_read_whole(shop: Shop) -> None:
    shop.run("create table t (seq integer primary key); insert into t values (1), (5000)")
    cursor = last_cursor(await shop.read(cursor_column="seq"))
    shop.run("alter table t add column name text default 'x'")
    assert set(await shop.entities(cursor, cursor_column="seq")) == {"t/1", "t/5000"}


async def test_table_that_is_gone_is_doubted(shop: Shop) -> None:
    shop.run(
        "create table a (id integer primary key); create table b (id integer primary key);"
        "insert into a values (1); insert into b values (1)"
    )
    cursor = last_cursor(await shop.read())
    shop.run("drop table b")
    context = offline_context(files_roots=(shop.path.parent,))
    source = SqlSource(SqlConfig(path=str(shop.path)), SqlCredentials(), context)
    source.context = type(context)(
        http=context.http, files_roots=context.files_roots, last_cursor=cursor
    )
    last = (await events_of(source))[-1]
    assert isinstance(last, Complete)
    assert last.doubt is not None


async def test_view_without_an_end_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(ENDLESS)
    monkeypatch.setattr(sqlite, "STATEMENT_SECONDS", 0)
    with pytest.raises(SourceUnavailable, match="too long"):
        await shop.read(tables=["endless"], id_column="id")


async def test_view_without_an_end_does_not_hold_up_a_cancelled_sync(shop: Shop) -> None:
    shop.run(ENDLESS)
    with anyio.fail_after(CANCEL_SECONDS):
        with anyio.move_on_after(0.1) as cancelled:
            await shop.read(tables=["endless"], id_column="id")
    assert cancelled.cancelled_caught


async def test_missing_packages_are_named_with_the_command(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("create table t (id integer primary key)")
    monkeypatch.setattr(connect, "find_spec", dict[str, object]().get)
    refused = await shop.refuse()
    assert 'pip install "weft-mcp[sql]"' in str(refused)
    assert refused.needs
    assert SqlSource.info().config_fields
