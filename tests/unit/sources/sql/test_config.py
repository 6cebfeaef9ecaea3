"""Which configurations of the source `sql` are taken, and how they are read."""

from typing import Any

import pytest
from pydantic import ValidationError

from weft.sources.sql.config import Server, SqlConfig
from weft.sources.sql.source import SqlSource


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://db.example:6000/shop", Server("postgresql", "db.example", 6000, "shop")),
        ("postgres://DB.example/shop/", Server("postgresql", "db.example", 5432, "shop")),
        ("postgresql+psycopg://db/my%20shop", Server("postgresql", "db", 5432, "my shop")),
        ("mariadb://[2001:db8::1]:3307/shop", Server("mysql", "2001:db8::1", 3307, "shop")),
    ],
)
def test_address_is_read_in_its_usual_spellings(url: str, server: Server) -> None:
    assert SqlConfig(url=url).server == server


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "either url"),
        ({"url": "mysql://db/shop", "path": "/x"}, "either url"),
        ({"url": "mysql://ada:hunter22@db/shop"}, "credentials"),
        ({"url": "mysql://ada@db/shop"}, "credentials"),
        ({"url": "mysql://db/"}, "name a database"),
        ({"url": "mysql://db/a/b"}, "name a database"),
        ({"url": "mysql://db:0/shop"}, "HOST:PORT"),
        ({"url": "postgresql://a,b/shop"}, "HOST:PORT"),
        ({"url": "postgresql://%2ftmp/shop"}, "HOST:PORT"),
        ({"url": "oracle://db/shop"}, "begin with postgresql"),
        ({"url": "sqlite:///x.db"}, "given as path"),
        ({"url": "postgresql://db/shop?options=-c"}, "must not have options"),
        ({"url": "postgresql://db/shop?sslmode=none"}, "sslmode"),
        ({"path": "x", "query": "select 1"}, "needs id_column"),
        ({"path": "x", "query": " ; ", "id_column": "a"}, "SELECT"),
        ({"path": "x", "query": "select 1", "id_column": "a", "tables": ["t"]}, "not both"),
        ({"path": "x", "tables": [" "]}, "names"),
        ({"path": "x\0"}, "null"),
    ],
)
def test_configuration_that_means_nothing_is_refused_with_what_to_write(
    config: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        SqlConfig.model_validate(config)
    assert "hunter22" not in "".join(error["msg"] for error in refused.value.errors())


def test_sslmode_may_be_pasted_with_the_address() -> None:
    config = SqlConfig.model_validate({"url": "mysql://db/shop?ssl-mode=VERIFY_IDENTITY"})
    assert (config.url, config.sslmode) == ("mysql://db/shop", "verify-full")
    given = {"url": "postgresql://db/shop?sslmode=disable", "sslmode": "require"}
    assert SqlConfig.model_validate(given).sslmode == "require"


@pytest.mark.parametrize(
    "other",
    [
        {"url": "postgresql://other/shop"},
        {"url": "postgresql://db:5433/shop"},
        {"url": "mysql://db/shop"},
        {"url": "postgresql://db/other"},
        {"url": "postgresql://db/shop", "sslmode": "disable"},
        {"url": "postgresql://db/shop", "ca_certificate": "another authority"},
    ],
)
def test_credentials_are_bound_to_server_database_and_its_proof(other: dict[str, Any]) -> None:
    one, two = SqlConfig(url="postgresql://db/shop"), SqlConfig.model_validate(other)
    bindings = [
        (SqlSource.endpoint(config, {}), SqlSource.credential_scope(config))
        for config in (one, two)
    ]
    assert bindings[0] != bindings[1]
