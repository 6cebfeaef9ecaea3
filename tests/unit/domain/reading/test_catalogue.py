"""Words find the sources that people mean, in a catalogue of dozens, page by page."""

import pytest

from weft.domain.connections import AuthMethod
from weft.domain.reading.catalogue import page_sources, search_sources, suggest_sources
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput

DIRECT = (AuthMethod.DIRECT,)


def make_source(
    short_name: str, name: str, description: str, *labels: str, types: tuple[str, ...] = ()
) -> SourceInfo:
    return SourceInfo(
        short_name=short_name,
        name=name,
        description=description,
        auth_methods=DIRECT,
        auth_required=False,
        labels=labels,
        entity_types=types,
    )


CATALOGUE = [
    make_source("files", "Files", "Documents in a folder", "local", types=("file",)),
    make_source("gmail", "Gmail", "Messages of a mailbox", "Communication", "Email"),
    make_source("imap", "Mailbox (IMAP)", "Messages on any server", "email", types=("message",)),
    make_source("jira", "Jira", "Issues of projects", "tickets", types=("issue",)),
    make_source("mysql_dump", "Dump", "What a dump of MySQL holds"),
    make_source("sql", "Database", "Tables of PostgreSQL, MariaDB and SQLite", "tables"),
    make_source("zendesk", "Zendesk", "Support tickets", types=("ticket", "comment")),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mail", ["gmail", "imap"]),
        ("Postgres", ["sql"]),
        ("postgresql database", ["sql"]),
        ("tickets", ["jira", "zendesk"]),
        ("ticketing", ["jira", "zendesk"]),
        ("issue", ["jira"]),
        ("a folder of documents", ["files"]),
        ("IMAP", ["imap"]),
        ("my mail", ["gmail", "imap"]),
        ("zendesk comments", ["zendesk"]),
        ("salesforce", []),
        (" ", [source.short_name for source in CATALOGUE]),
    ],
)
def test_words_find_what_people_mean(query: str, found: list[str]) -> None:
    assert [source.short_name for source in search_sources(CATALOGUE, query)] == found


@pytest.mark.parametrize(
    ("query", "near"), [("zendsk", ["zendesk"]), ("gmial", ["gmail"]), ("qqqqqq", [])]
)
def test_misspelt_names_are_guessed(query: str, near: list[str]) -> None:
    assert suggest_sources(CATALOGUE, query) == near


def test_pages_hold_each_source_once_and_name_those_to_come() -> None:
    listed: list[str] = []
    cursor = None
    while True:
        page = page_sources(CATALOGUE, None, cursor, 3)
        listed += [source.short_name for source in page.items]
        assert [*listed, *page.others] == [source.short_name for source in CATALOGUE]
        assert page.total == len(CATALOGUE)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert listed == [source.short_name for source in CATALOGUE]


def test_cursor_of_another_query_is_refused() -> None:
    cursor = page_sources(CATALOGUE, "mail", None, 1).next_cursor
    with pytest.raises(InvalidInput, match="cursor"):
        page_sources(CATALOGUE, "tickets", cursor, 1)


def make_field(name: str, *, required: bool = True) -> FieldInfo:
    return FieldInfo(name=name, title=name, type="string", description="", required=required)


@pytest.mark.parametrize(
    ("methods", "auth", "config", "needs"),
    [
        (DIRECT, ["api_key"], ["site"], "api_key; site"),
        (DIRECT, ["user", "password"], [], "user, password"),
        ((AuthMethod.OAUTH_BROWSER, AuthMethod.OAUTH_TOKEN), [], [], "OAuth"),
        ((AuthMethod.OAUTH_TOKEN,), [], ["host"], "an OAuth token; host"),
        (
            tuple(AuthMethod),
            ["token"],
            [],
            "token or OAuth or an auth provider",
        ),
    ],
)
def test_what_a_source_needs_is_told_in_one_phrase(
    methods: tuple[AuthMethod, ...], auth: list[str], config: list[str], needs: str
) -> None:
    source = make_source("a", "A", "").model_copy(
        update={
            "auth_methods": methods,
            "auth_required": True,
            "auth_fields": (*map(make_field, auth), make_field("region", required=False)),
            "config_fields": (*map(make_field, config), make_field("depth", required=False)),
        }
    )
    assert source.needs() == needs


def test_source_without_required_fields_needs_nothing() -> None:
    source = make_source("a", "A", "")
    assert source.needs() == ""
    optional = (make_field("token", required=False),)
    assert source.model_copy(update={"auth_fields": optional}).needs() == ""
    assert source.model_copy(update={"config_fields": optional}).needs() == "see its fields"
