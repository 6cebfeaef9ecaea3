"""`weft auth-providers`: accounts at services that keep the credentials of connections."""

from collections.abc import Awaitable, Callable
from typing import Any

import click
from pydantic import BaseModel

from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import (
    App,
    hosts_option,
    json_option,
    organization_option,
    pass_app,
    say,
    show,
)
from weft.cli.terminal.credentials import read_secret
from weft.cli.terminal.groups import ListGroup
from weft.cli.terminal.listing import show_all, tell_lost
from weft.cli.terminal.text import ago, plain
from weft.domain.access.principals import organization_id, organization_name
from weft.errors import InvalidInput

whose = organization_option("Whose connections may use it.")


@click.group("auth-providers", cls=ListGroup)
def auth_providers() -> None:
    """Configure the services that keep credentials for connections: Composio and Pipedream."""


@auth_providers.command("add")
@click.argument("kind", type=click.Choice(["composio", "pipedream"]))
@click.option("--name", required=True, help="What connections call it: provider_readable_id.")
@click.option("--client-id", help="Pipedream: the client's id; it is no secret.")
@click.option("--project-id", help="Pipedream: the project, such as proj_abc123.")
@click.option(
    "--environment", type=click.Choice(["production", "development"]), help="Pipedream's."
)
@click.option("--base-url", metavar="ORIGIN", help="Where its API is, if not at its usual place.")
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="SOURCE=SLUG",
    help="What it calls the app of a source, where the names differ; may be repeated.",
)
@hosts_option("A host that a connection's configuration may send the tokens to")
@whose
@json_option
@pass_app
def add_provider(app: App, kind: str, name: str, organization: str, **given: Any) -> None:
    """Configure an account. Its API key or client secret is asked for, or read from stdin."""
    options = {
        option: given[option]
        for option in ("project_id", "environment", "base_url")
        if given[option] is not None
    } | _apps(given["apps"])
    if kind == "pipedream":
        if not given["client_id"]:
            raise InvalidInput("pipedream needs --client-id.", field="client_id")
        secret = read_secret(app, "Client secret")
        secrets = {"client_id": given["client_id"], "client_secret": secret}
    else:
        secrets = {"api_key": read_secret(app, "API key")}
    owner = organization_id(organization)
    made = _run(app, lambda kept: kept.add(owner, kind, name, secrets, options, given["hosts"]))
    told = f"The auth provider '{made.readable_id}' ({made.kind}) is configured."
    show(app, _to_json(made), note=told)


@auth_providers.command("list")
@json_option
@pass_app
def list_providers(app: App) -> None:
    """List the accounts, without their secrets (the default).

    With WEFT_API_URL, those of the API, which its own people make and delete.
    """
    if app.load_settings().api_url is not None:
        _list_accounts(app)
        return
    found = _run(app, lambda kept: kept.list())
    show_all(
        app,
        found,
        _to_json,
        _cells,
        columns=("name", "kind", "organization", "API", "added"),
        wide=("name",),
        none="No auth providers. `weft auth-providers add composio --name NAME` adds one.",
    )
    tell_lost(app, found, "weft auth-providers remove NAME`, then `weft auth-providers add")


def _list_accounts(app: App) -> None:
    # Imported here because help and usage errors need no HTTP client.
    from weft.assembly.remote import open_accounts

    say("These are the accounts of the API in WEFT_API_URL; `add` and `remove` are for local ones.")
    show_all(
        app,
        app.run_with(open_accounts, lambda accounts: accounts.list()),
        lambda one: one.model_dump(mode="json", include={"readable_id", "short_name"}),
        lambda one: (plain(one.readable_id), plain(one.short_name)),
        columns=("name", "kind"),
        wide=("name",),
        none="The API has no accounts at auth providers.",
    )


@auth_providers.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@whose
@json_option
@pass_app
def remove_provider(app: App, name: str, yes: bool, organization: str) -> None:
    """Forget an account. Connections that use it cannot sync any more."""
    confirm(app, f"The auth provider '{plain(name)}' will be forgotten.", yes=yes)
    _run(app, lambda kept: kept.remove(organization_id(organization), name))
    told = f"The auth provider '{plain(name)}' is forgotten."
    show(app, {"name": name, "removed": True}, note=told)


def _apps(given: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for each in given:
        source, _, slug = each.partition("=")
        if not source or not slug:
            raise InvalidInput("--app takes SOURCE=SLUG.", field="app")
        options[f"app:{source}"] = slug
    return options


def _to_json(one: BaseModel) -> dict[str, Any]:
    data = one.model_dump(mode="json")
    return {**data, "organization": organization_name(data.pop("organization_id"))}


def _cells(one: Any) -> tuple[str, ...]:
    return (
        one.readable_id,
        one.kind,
        plain(organization_name(one.organization_id)),
        plain(one.options["base_url"]),
        "lost" if one.lost else ago(one.created_at),
    )


def _run(app: App, work: Callable[[Any], Awaitable[Any]]) -> Any:
    # Imported here because help and usage errors need no engine.
    from weft.assembly import operator

    return app.run_with(operator.open_auth_providers, work)
