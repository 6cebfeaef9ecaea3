"""A GraphQL query is posted as it is, and parameters are its variables."""

from weft.sources.rest.paging import Asked
from weft.sources.rest.streams import bind
from weft.sources.rest.table import Search, Since, Stream, Token
from weft.sources.rest.values import moment_of

QUERY = "query($after: String) { notes(after: $after) { nodes { id } } }"
SINCE = "query($since: Date!) { notes(since: $since) { nodes { id } } }"

ROW = Stream(
    name="note",
    path="/graphql",
    query=QUERY,
    body={"team": "{config.team}"},
    records="data.notes.nodes",
    updated="at",
    since=Since(param="variables.since", search=Search(path="/graphql", query=SINCE)),
    paging=Token(param="variables.after", at="data.notes.next"),
)


def ask(since: str | None = None) -> Asked:
    (stream,) = bind((ROW,), {"team": "tea"})
    return stream.ask(None, moment_of(since))


def test_query_keeps_its_braces_and_variables_are_filled_in() -> None:
    asked = ask()
    asked.put("variables.after", "c1")
    assert asked.method == "POST"
    assert asked.body == {"query": QUERY, "variables": {"team": "tea", "after": "c1"}}


def test_other_query_asks_for_what_changed() -> None:
    body = ask("2026-03-01T00:02:00Z").body
    assert body == {"query": SINCE, "variables": {"since": "2026-03-01T00:00:00Z"}}
