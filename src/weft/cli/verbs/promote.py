"""`weft promote`: copies connections from the local engine to the remote API."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import click

from weft.backend import Backend
from weft.cli.terminal.completion import complete_collection, complete_connection
from weft.cli.terminal.context import App, emit, json_option, pass_app, say
from weft.cli.terminal.credentials import credentials_for
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import count, plain
from weft.domain.access.secrets import SECRET_REF
from weft.domain.collections import Collection, NewCollection
from weft.domain.connections import Auth, AuthMethod, Connection, ConnectionStatus, NewConnection
from weft.domain.schedules import Schedule, ScheduleSpec
from weft.domain.sources import SourceInfo
from weft.errors import InvalidInput, NotFound, WeftError
from weft.settings import Settings

EXIT_SOME_LEFT = 1
EXIT_DECLINED = 1


@dataclass(slots=True)
class Item:
    """One local connection and the plan for it.

    ``obstacle`` says why it cannot be copied; ``there`` has the ids of the remote connections of
    its name: one of them is its copy already.
    """

    local: Connection
    source: SourceInfo | None = None
    there: Sequence[str] = ()
    obstacle: str | None = None
    notes: list[str] = field(default_factory=list[str])
    made: Connection | None = None

    @property
    def pending(self) -> bool:
        """Return whether it has yet to be created."""
        return not self.there and self.obstacle is None and self.made is None

    @property
    def needs_credentials(self) -> bool:
        """Return whether somebody has to give its credentials again."""
        return self.source is not None and self.source.auth_required

    def state(self) -> str:
        """Describe in words what will happen to it, or has happened."""
        if self.made is not None:
            return "waits for credentials" if self.made.is_draft else "created"
        if self.there:
            return "already there"
        return "not possible" if self.obstacle else "to be created"


@dataclass(slots=True)
class Plan:
    """Everything that a run will create."""

    items: list[Item]
    collections: list[Collection]


@click.command(cls=Verb)
@click.argument(
    "connections", metavar="[CONNECTION]...", nargs=-1, shell_complete=complete_connection
)
@click.option(
    "--collection",
    metavar="ID",
    shell_complete=complete_collection,
    help="All connections of this local collection.",
)
@click.option(
    "--secret",
    "secrets",
    metavar="CONNECTION=NAME",
    multiple=True,
    help="Send the secret NAME, see `weft secret`, as the credential of CONNECTION.",
)
@click.option("--page", is_flag=True, help="Ask for no credentials here: they go into a page.")
@click.option("--yes", is_flag=True, help="Do not ask before creating.")
@json_option
@pass_app
def promote(
    app: App,
    connections: Sequence[str],
    collection: str | None,
    secrets: Sequence[str],
    page: bool,
    yes: bool,
) -> None:
    """Copy connections from the local engine to the API in WEFT_API_URL.

    Without CONNECTION or --collection all are copied. First it shows what would be created. Stored
    credentials are never copied: they are named secrets, or are asked for without showing them.
    With --page, or where nobody can be asked, the connection waits for `weft connections
    authorize`, which opens a page for them, or for the link that is printed. Run again, it finds
    what it made before. Nothing is changed or deleted locally; what was synced is synced anew by
    the API.
    """
    settings = app.load_settings()
    if settings.api_url is None:
        raise InvalidInput(
            "WEFT_API_URL is not set: there is nothing to copy to.",
            field="WEFT_API_URL",
            hint="Set it, and WEFT_API_KEY.",
        )
    plan = anyio.run(_open_both_and_plan, app, settings, connections, collection)
    given = _refer_to_secrets(plan, secrets)
    if not app.as_json:
        _preview(plan, settings.api_url)
    if any(item.pending for item in plan.items):
        _confirm(app, plan, yes=yes)
        if app.can_ask() and not page:
            given |= _ask_credentials(app, plan, given)
        app.run(copy_connections, plan, given)
    _report(app, plan)
    if any(item.obstacle for item in plan.items):
        raise click.exceptions.Exit(EXIT_SOME_LEFT)


async def make_plan(
    local: Backend, remote: Backend, connections: Sequence[str], collection: str | None
) -> Plan:
    """Find out what to create and what stands in the way. Changes nothing."""
    chosen = await _list_chosen(local, connections, collection)
    offered = {source.short_name: source for source in await remote.sources.list()}
    theirs = (await collect(remote.connections.list)).items
    named = Counter(map(_identify, (await collect(local.connections.list)).items))
    items = [_plan_item(each, offered, theirs, named[_identify(each)]) for each in chosen]
    missing: list[Collection] = []
    for readable_id in dict.fromkeys(i.local.readable_collection_id for i in items if i.pending):
        try:
            await remote.collections.get(readable_id)
        except NotFound:
            missing.append(await local.collections.get(readable_id))
    return Plan(items, missing)


async def copy_connections(remote: Backend, plan: Plan, given: dict[str, Auth]) -> None:
    """Create what is planned; a connection that fails gets an obstacle, and the others go on.

    A collection is created with its first connection, and removed again if it gets none.
    """
    missing = {collection.readable_id: collection for collection in plan.collections}
    made: set[str] = set()
    for item in plan.items:
        if not item.pending:
            continue
        place = item.local.readable_collection_id
        try:
            if place in missing and place not in made:
                new = NewCollection(name=missing[place].name, readable_id=place)
                await remote.collections.create(new)
                made.add(place)
            item.made = await remote.connections.create(_build_new(item, given.get(item.local.id)))
        except WeftError as error:
            item.obstacle = str(error)
    for place in made - {i.local.readable_collection_id for i in plan.items if i.made}:
        try:
            if not (await remote.connections.list(collection=place, limit=1)).items:
                await remote.collections.delete(place)
        except WeftError as error:
            for item in plan.items:
                if item.local.readable_collection_id == place and item.obstacle:
                    item.notes.append(f"its new collection is empty and could not go: {error}")


async def _open_both_and_plan(
    app: App, settings: Settings, connections: Sequence[str], collection: str | None
) -> Plan:
    # With WEFT_API_URL set, every other verb sees only the remote API; without, the local engine.
    unset = {"api_url": None, "api_key": None, "api_organization": None}
    here = settings.model_copy(update=unset)
    async with (
        app.open_backend(here, run_jobs=False) as local,
        app.open_backend(settings, run_jobs=False) as remote,
    ):
        return await make_plan(local, remote, connections, collection)


async def _list_chosen(
    local: Backend, connections: Sequence[str], collection: str | None
) -> list[Connection]:
    chosen = [await local.connections.get(name) for name in connections]
    if not chosen or collection is not None:
        page = await collect(partial(local.connections.list, collection=collection))
        chosen += [await local.connections.get(item.id) for item in page.items]
    return list({connection.id: connection for connection in chosen}.values())


def _identify(connection: Connection) -> tuple[str, str, str]:
    """Return how a connection is recognised at the API, whose lists tell no configuration."""
    return connection.readable_collection_id, connection.name, connection.short_name


def _plan_item(
    connection: Connection,
    offered: dict[str, SourceInfo],
    theirs: Sequence[Connection],
    namesakes: int,
) -> Item:
    item = Item(connection, offered.get(connection.short_name))
    same_place = [
        other
        for other in theirs
        if other.readable_collection_id == connection.readable_collection_id
        and other.name == connection.name
    ]
    same = [other for other in same_place if other.short_name == connection.short_name]
    if 0 < len(same) < namesakes:
        item.obstacle = (
            f"{namesakes} connections have that name here, and {len(same)} at the API, perhaps "
            "another one: rename them here"
        )
    elif same:
        item.there = [other.id for other in same]
        if len(same) > 1:
            item.notes.append(f"it is one of these of that name: {', '.join(item.there)}")
    elif same_place:
        item.obstacle = (
            f"the API has a connection of that name for {same_place[0].short_name}: rename one"
        )
    else:
        item.obstacle = _find_misfit(connection, item.source)
        _add_notes(item)
    return item


def _find_misfit(connection: Connection, source: SourceInfo | None) -> str | None:
    if source is None:
        return f"the API has no source '{connection.short_name}'"
    known = {field.name for field in source.config_fields}
    unknown = [name for name in connection.config if name not in known]
    if unknown:
        return f"the API's source has no config field {', '.join(unknown)}"
    missing = [
        field.name
        for field in source.config_fields
        if field.required and field.default is None and connection.config.get(field.name) is None
    ]
    return f"the API's source requires the config field {', '.join(missing)}" if missing else None


def _add_notes(item: Item) -> None:
    schedule = item.local.schedule
    if item.needs_credentials:
        item.notes.append("credentials are needed again")
    if schedule is not None and not _is_portable(schedule):
        why = "paused" if schedule.paused else f"in {schedule.timezone}"
        item.notes.append(f"its schedule is {why} and is left out")


def _is_portable(schedule: Schedule) -> bool:
    return schedule.timezone == "UTC" and not schedule.paused


def _build_new(item: Item, auth: Auth | None) -> NewConnection:
    schedule = item.local.schedule
    copied_schedule = ScheduleSpec()  # None would be the default of the API.
    if schedule is not None and _is_portable(schedule):
        copied_schedule = ScheduleSpec(
            cron=None if schedule.continuous else schedule.cron, continuous=schedule.continuous
        )
    return NewConnection.copy_of(item.local, schedule=copied_schedule, auth=auth)


def _refer_to_secrets(plan: Plan, secrets: Sequence[str]) -> dict[str, Auth]:
    """Return the credentials that ``secrets``, each CONNECTION=NAME, stand for, by connection."""
    given: dict[str, Auth] = {}
    for text in secrets:
        wanted, _, name = text.rpartition("=")
        fitting = [i for i in plan.items if wanted in (i.local.id, i.local.name)]
        if len(fitting) != 1 or not name:
            raise InvalidInput(
                "--secret names no connection that is to be copied, or several.",
                field="secret",
                hint="Write the connection's whole name or id, '=' and the name of the secret.",
            )
        item, reference = fitting[0], {SECRET_REF: name}
        methods = item.source.auth_methods if item.source is not None else ()
        if AuthMethod.DIRECT in methods:
            form = {"direct": {"credentials": reference}}
        elif AuthMethod.OAUTH_TOKEN in methods:
            form = {"oauth_token": {"access_token": reference}}
        else:
            item.obstacle = item.obstacle or "the API's source takes no credential that is a secret"
            continue
        given[item.local.id] = Auth.model_validate(form)
    return given


def _ask_credentials(app: App, plan: Plan, known: Mapping[str, Auth]) -> dict[str, Auth]:
    """Ask for credentials where they are needed and can be typed; return them by connection."""
    given: dict[str, Auth] = {}
    for item in plan.items:
        source = item.source
        if not item.pending or source is None or not item.needs_credentials:
            continue
        if item.local.id in known or AuthMethod.DIRECT not in source.auth_methods:
            continue
        say(f"'{plain(item.local.name)}':")
        auth = credentials_for(app, source, from_stdin=False, ask=True)
        if auth is not None:
            given[item.local.id] = auth
    return given


def _confirm(app: App, plan: Plan, *, yes: bool) -> None:
    if yes:
        return
    number = count(sum(item.pending for item in plan.items), "connection")
    if not app.can_ask():
        raise InvalidInput(
            f"Creating {number} was not confirmed.", field="yes", hint="Pass --yes to do it."
        )
    if not click.confirm(f"Create {number}?", default=False, err=True):
        say("Nothing was created.")
        raise click.exceptions.Exit(EXIT_DECLINED)


def _preview(plan: Plan, api_url: str) -> None:
    say(f"To {plain(api_url)}:")
    for collection in plan.collections:
        say(f"- collection '{plain(collection.readable_id)}': to be created")
    for item in plan.items:
        remarks = [item.obstacle, *item.notes] if item.obstacle else item.notes
        note = f" ({'; '.join(plain(remark) for remark in remarks)})" if remarks else ""
        say(
            f"- '{plain(item.local.name)}' ({item.local.short_name}) in "
            f"{item.local.readable_collection_id}: {item.state()}{note}"
        )


def _report(app: App, plan: Plan) -> None:
    if app.as_json:
        emit({"items": [_row(item) for item in plan.items]})
        return
    for item in plan.items:
        if item.made is not None and item.made.is_draft:
            click.echo(
                f"Prepared '{plain(item.made.name)}': `weft connections authorize {item.made.id}` "
                "opens a page for its credentials."
            )
        elif item.made is not None:
            click.echo(f"Created '{plain(item.made.name)}' ({item.made.id}).")
            if item.made.status is ConnectionStatus.PENDING_AUTH and item.made.auth.auth_url:
                click.echo(f"  Authorise it at {plain(item.made.auth.auth_url)}")
        elif item.obstacle:
            say(f"Left out '{plain(item.local.name)}': {plain(item.obstacle).rstrip('.')}.")
            for note in item.notes:
                say(f"  {plain(note)}")
    if not any(item.made for item in plan.items):
        click.echo("Nothing was created.")


def _row(item: Item) -> dict[str, Any]:
    made = item.made
    # Which of several is its copy cannot be known, as the API's lists tell no configuration.
    there = item.there[0] if len(item.there) == 1 else None
    # The page of a draft was this process's: `weft connections authorize` opens another.
    link = made.auth.auth_url if made and not made.is_draft else None
    return {
        "local_id": item.local.id,
        "name": item.local.name,
        "short_name": item.local.short_name,
        "readable_collection_id": item.local.readable_collection_id,
        "state": item.state(),
        "obstacle": item.obstacle,
        "notes": item.notes,
        "remote_id": made.id if made else there,
        "auth_url": link,
    }
