"""The contract of sources on the servers of `databases`, which differ only in their SQL."""

from typing import Any, ClassVar

import pytest

from tests.support.sources.databases import HOST, DatabaseServer
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.sql.source import SqlSource
from weft.testing.database_faults import DatabaseFaults
from weft.testing.http_faults import NO_WAIT
from weft.testing.source_contract import Change, SourceCase, SourceContract


class ServerContract(SourceContract):
    """The tables or the query of a server; give it a fixture `server`."""

    schema: ClassVar[tuple[str, ...]]
    faults: ClassVar[DatabaseFaults]
    config: ClassVar[dict[str, Any]] = {"cursor_column": "updated_at"}
    changed: ClassVar[frozenset[str]]

    @pytest.fixture
    def context(self) -> SourceContext:
        http = http_factory({HOST}, clock=NO_WAIT)
        return SourceContext(http=http, allow_hosts=frozenset({HOST}))

    @pytest.fixture
    def case(self, server: DatabaseServer, context: SourceContext) -> SourceCase:
        server.run(*self.schema)

        async def mutate() -> Change:
            server.run(
                "insert into customers (id, name, updated_at) values (3, 'Cy', '2026-02-01')",
                "update notes set body = 'changed', updated_at = '2026-02-02' where code = 'c'",
            )
            return Change(self.changed)

        return SourceCase(
            SqlSource,
            {"url": server.url, **self.config},
            context,
            credentials=server.credentials,
            bad_credentials={**server.credentials, "password": "battery-staple"},
            mutate=mutate,
            hostile="Rows are values of the driver: nothing is parsed.",
            faults=self.faults,
        )
