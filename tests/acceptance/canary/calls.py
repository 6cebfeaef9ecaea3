"""Calls that carry secrets: rightly, against upstreams that fail, and in every wrong place."""

from collections.abc import Iterator

from tests.acceptance.canary.world import Structured, World
from tests.support.secrets.echo_upstream import FAILURES

Call = tuple[str, Structured]

COLLECTION = "docs"
SWITCHED = "switched"
"""The mode that changes after connections were made."""


def sources(world: World, mode: str) -> Iterator[Structured]:
    """Arguments of create_connection, for each method of each source, at such an upstream."""
    secret, up = world.secret, world.upstream
    notes = {"provider_url": up.at("ok"), "api_url": up.at(mode)}
    provider = {"provider_url": up.at(mode), "api_url": up.at("ok")}
    past = {"expires_at": "2020-01-01T00:00:00Z"}
    token = {"access_token": secret("access token"), "refresh_token": secret("refresh token")}
    ref = {"secret_ref": "named"}
    for short_name, config, auth in (
        ("oauth_stub", notes, direct_auth(token=secret("direct token"))),
        ("oauth_stub", notes, {"oauth_token": token}),
        ("oauth_stub", provider, {"oauth_token": {**token, **past}}),
        ("oauth_stub", notes, provider_auth("composio-one", "ok")),
        ("oauth_stub", notes, provider_auth("pipedream-one", "ok")),
        ("oauth_stub", notes, provider_auth("composio-one", mode)),
        ("oauth_stub", notes, provider_auth("pipedream-one", mode)),
        (
            "git",
            {"repo": f"{up.at(mode)}/r.git"},
            direct_auth(access_token=secret("git token"), username="ada"),
        ),
        ("git", {"repo": f"{up.at(mode)}/r.git"}, direct_auth(access_token=ref)),
        (
            "github",
            {"repo_name": f"m-{mode}/repo"},
            direct_auth(personal_access_token=secret("github token")),
        ),
        ("github", {"repo_name": f"m-{mode}/repo"}, {"oauth_token": token}),
    ):
        yield {
            "short_name": short_name,
            "readable_collection_id": COLLECTION,
            "config": config,
            "auth": auth,
        }


def failing(world: World) -> list[Call]:
    """Creations that fail in the check, for each way in which the upstream can."""
    return [
        ("create_connection", {**arguments, "sync_immediately": False})
        for mode in FAILURES
        for arguments in sources(world, mode)
    ]


def list_misplaced(world: World, connection_id: str) -> list[Call]:
    """List calls of every tool with a secret of every shape where none belongs."""
    made: list[Call] = []
    for text in (world.secret("misplaced"), WORD):
        for auth in _bad_auth(text):
            for short_name in ("oauth_stub", "oauth1_stub", "git", "github", "web", "secret_stub"):
                given = {"short_name": short_name, "readable_collection_id": COLLECTION}
                config = _config_of(world, short_name)
                made.append(("create_connection", {**given, "auth": auth, "config": config}))
            made.append(("authorize_connection", {"connection_id": connection_id, "auth": auth}))
            made.append(("update_connection", {"connection_id": connection_id, "auth": auth}))
        made += [("create_connection", given) for given in _bad_connections(text)]
        for change in _bad_changes(text):
            made.append(("update_connection", {"connection_id": connection_id, **change}))
        made += _bad_references(text, connection_id)
    return made


# A secret without any mark, because some checks let only letters and digits come far.
WORD = "Zq7XwK2vLpM9tRbN4cJdHs6FgYe3"


def direct_auth(**credentials: object) -> Structured:
    """Build direct credentials."""
    return {"direct": {"credentials": credentials}}


def provider_auth(name: str, mode: str) -> Structured:
    """Build credentials that a provider keeps, whose account answers in ``mode``."""
    return {
        "auth_provider": {
            "provider_readable_id": name,
            "provider_config": {"account_id": f"m-{mode}"},
        }
    }


def own_client(world: World) -> Structured:
    """Consent in a browser, with a client of one's own."""
    own = {"client_id": "weft", "client_secret": world.secret("own client")}
    return {"oauth_browser": own}


def _config_of(world: World, short_name: str) -> Structured:
    up = world.upstream
    return {
        "oauth_stub": {"provider_url": up.at("ok")},
        "oauth1_stub": {"provider_url": up.at("ok")},
        "git": {"repo": f"{up.at('ok')}/r.git"},
        "github": {"repo_name": "m-401/repo"},
        "web": {"url": up.at("ok")},
    }.get(short_name, {})


def _bad_auth(text: str) -> tuple[object, ...]:
    names = ("token", "access_token", "personal_access_token")
    return (
        *(direct_auth(**{name: [text]}) for name in names),
        *(direct_auth(**{name: {"value": text}}) for name in names),
        *(direct_auth(**{name: {"secret_ref": text}}) for name in names),
        *(direct_auth(**{name: text * 700}) for name in names),
        *(direct_auth(**{name: f"{text}\r\nx-other: {text}\u2028\ud83d"}) for name in names),
        direct_auth(**{text: "x"}),
        direct_auth(username=f"{text}:{text}", access_token="x"),
        {"direct": {"credentials": text}},
        {"direct": text},
        {"secret_ref": text},
        {text: {"credentials": {"token": "x"}}},
        {"token": text},
        {"access_token": [text]},
        {"access_token": text, "expires_at": text},
        {"oauth_token": {"access_token": {"a": text}}},
        {"oauth_token": {"access_token": " ", "refresh_token": [text]}},
        {"oauth_token": {"access_token": text, "expires_at": "2020-01-01T00:00:00Z"}},
        {"oauth_browser": {"client_secret": text}},
        {"oauth_browser": {"consumer_secret": text}},
        {"oauth_browser": {"client_id": "a", "client_secret": text, text: 1}},
        {"oauth_browser": {"client_id": "a", "client_secret": [text]}},
        {"oauth_browser": {"client_id": "a", "redirect_uri": f"https://{text}@host.example/"}},
        {"oauth_browser": {"client_id": "a", "redirect_uri": f"javascript:{text}"}},
        {"oauth_browser": {"client_id": "a", "consumer_key": text, "consumer_secret": text}},
        {"auth_provider": {"provider_readable_id": text}},
        {"auth_provider": {"provider_readable_id": [text]}},
        {"auth_provider": {"provider_readable_id": "composio-one", "provider_config": text}},
        {
            "auth_provider": {
                "provider_readable_id": "composio-one",
                "provider_config": {text: text, "api_key": text},
            }
        },
        direct_auth(token=text) | {"oauth_token": {"access_token": text}},
        f'{{"direct": {{"credentials": {{"token": "{text}"',
        text,
        [text],
    )


def _bad_connections(text: str) -> Iterator[Structured]:
    target = {"readable_collection_id": COLLECTION}
    for repo in (
        f"https://user:{text}@host.example/r.git",
        f"https://{text}@host.example/r.git",
        f"https://host.example/r.git?access_token={text}",
        f"https://host.example/r.git#{text}",
        f"{text}://host.example/r.git",
        f"{text}::https://host.example/r.git",
        f"{text}@host.example:r.git",
        f"ext::sh -c {text}",
        f"-u{text}",
    ):
        yield {**target, "short_name": "git", "config": {"repo": repo}}
    for branch in (f"-{text}", f"{text}..x", f"{text}.lock"):
        config = {"repo": "https://host.example/r.git", "branch": branch}
        yield {**target, "short_name": "git", "config": config}
    for url in (
        f"https://user:{text}@host.example/",
        f"ftp://host.example/{text}",
        f"{text}",
        f"https://{text}@/",
    ):
        yield {**target, "short_name": "web", "config": {"url": url}}
    for config in (
        {"repo_name": f"{text} {text}"},
        {"repo_name": f"https://{text}@github.com/a/b"},
        {"repo_name": [text]},
        {"repo_name": "a/b", "token": text},
        {"repo_name": "a/b", text: 1},
        {"repo_name": "a/b", "branch": {"a": text}},
    ):
        yield {**target, "short_name": "github", "config": config}
    for config in ({"entities": text}, {"error": text}, {text: 1}, {"token": text}, text):
        yield {**target, "short_name": "stub", "config": config}
    for config in ({"path": f"../{text}"}, {"path": f"/nowhere/{text}"}, {"paths": [text]}):
        yield {**target, "short_name": "files", "config": config}
    for given in _bad_changes(text):
        yield {**target, "short_name": "stub", **given}
    yield {"short_name": text, "readable_collection_id": COLLECTION}
    yield {"short_name": "stub", "readable_collection_id": text}


def _bad_changes(text: str) -> Iterator[Structured]:
    # A name or a description that is valid is no secret: it is there to be shown.
    yield {"name": text * 3}
    yield {"name": [text]}
    yield {"description": text * 20}
    yield {"schedule": {"cron": text}}
    yield {"schedule": {"cron": f"0 2 * * {text}"}}
    yield {"schedule": {"cron": "0 2 * * *", "timezone": text}}
    yield {"schedule": {"continuous": True, "cursor_field": text}}
    yield {"schedule": {text: 1}}
    yield {"schedule": text}
    yield {"sync_immediately": text}
    yield {"expected_version": text}
    yield {"redirect_url": f"https://user:{text}@host.example/"}
    yield {"redirect_url": f"javascript:{text}"}
    yield {"source_config": text}
    yield {"credentials": {"token": text}}
    yield {text: "x"}
    yield {"token": text}


def _bad_references(text: str, connection_id: str) -> Iterator[Call]:
    for tool in (
        "get_connection",
        "run_sync",
        "delete_connection",
        "check_connection",
        "authorize_connection",
        "update_connection",
        "list_jobs",
    ):
        yield tool, {"connection_id": text}
        yield tool, {"connection_id": [text]}
        yield tool, {"connection_id": connection_id, text: 1}
    for tool in ("get_job", "cancel_job"):
        yield tool, {"job_id": text}
        yield tool, {"job_id": {"a": text}}
    for tool in ("list_connections", "list_jobs", "list_collections"):
        yield tool, {"cursor": text}
        yield tool, {"limit": text}
        yield tool, {"status": text}
    yield "delete_connection", {"connection_id": connection_id, "confirmation_token": text}
    yield "delete_collection", {"readable_collection_id": COLLECTION, "confirmation_token": text}
    yield "delete_collection", {"readable_collection_id": text}
    yield "update_collection", {"readable_collection_id": text, "name": "Fine name"}
    yield "update_collection", {"readable_collection_id": COLLECTION, "name": [text]}
    yield "create_collection", {"name": text * 4, "readable_id": "fine"}
    yield "create_collection", {"name": "Fine name", "readable_id": text}
    yield "get_source", {"short_name": text}
    yield "list_sources", {text: text}
    yield "search", {"readable_collection_id": text, "query": "x"}
    yield "search", {"readable_collection_id": COLLECTION, "query": "x", "entity_type": text}
    yield "search", {"readable_collection_id": COLLECTION, "query": "x", "connection_id": text}
    yield "search", {"readable_collection_id": COLLECTION, "query": [text]}
    yield "get_entity", {"entity_id": text}
    yield "get_entity", {"entity_id": text, "offset": text}
    yield text, {}
