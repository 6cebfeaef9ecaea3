"""`weft connections create` and `update`."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import click

from weft.backend import Backend, open_collection
from weft.cli.terminal.completion import complete_collection, complete_connection, complete_source
from weft.cli.terminal.context import App, emit, json_option, pass_app, say, show
from weft.cli.terminal.credentials import credentials_for
from weft.cli.terminal.embedding import find_trouble, wait_for_connection
from weft.cli.terminal.follow import conclude, exit_code, follow
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import plain
from weft.cli.terminal.values import parse_config
from weft.cli.verbs.connections.authorize import authorize_in_browser
from weft.cli.verbs.connections.fields import plain_fields, plain_options
from weft.cli.verbs.connections.previews import preview_lines
from weft.domain.collections import (
    DEFAULT_COLLECTION,
    DEFAULT_READABLE_ID,
    NewCollection,
    validate_name,
    validate_readable_id,
)
from weft.domain.connections import (
    WAITING_STATUSES,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    NewConnection,
)
from weft.domain.cron_notes import surprises_of
from weft.domain.jobs import Job, JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, InvalidInput, NotFound

F = TypeVar("F", bound=Callable[..., Any])


def _write_options(command: F) -> F:
    """Give a verb the options that create and update have in common."""
    options = (
        plain_options,
        click.option(
            "--config",
            "pairs",
            metavar="KEY=VALUE",
            multiple=True,
            help="A configuration field; `weft sources SOURCE` names them. Repeatable.",
        ),
        click.option("--config-json", metavar="JSON", help="Configuration as a JSON object."),
        click.option("--schedule", "cron", metavar="CRON", help="Five fields, e.g. '0 2 * * *'."),
        click.option("--timezone", metavar="TZ", help="Of the schedule, e.g. Europe/Berlin."),
        click.option("--credentials-stdin", is_flag=True, help="Read credentials as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("create", cls=Verb)
@click.argument("source", shell_complete=complete_source)
@click.option(
    "--collection",
    default=DEFAULT_READABLE_ID,
    show_default=True,
    metavar="ID",
    shell_complete=complete_collection,
    help="Where its entities are searched.",
)
@click.option("--create-collection", is_flag=True, help="Create the collection if there is none.")
@_write_options
@click.option("--continuous", is_flag=True, help="Sync changes every few minutes.")
@click.option(
    "--authorize", is_flag=True, help="Give credentials, or consent, in a browser instead of here."
)
@click.option("--no-sync", is_flag=True, help="Do not start the first sync.")
@click.option("--no-wait", is_flag=True, help="Queue the first sync and return at once.")
@json_option
@pass_app
def create_connection(app: App, source: str, **given: Any) -> None:
    """Connect SOURCE and sync it for the first time.

    Credentials are asked for without showing them, or read from standard input with
    --credentials-stdin as a JSON object. They are never taken from the command line, which other
    users of the machine can read. With --authorize a link is printed, where they are typed, or
    where the source's provider asks for consent. Ctrl-C asks the first sync to cancel; the
    connection stays.
    """
    collection: str = given["collection"]
    info, readable_id = app.run(_look_up, source, collection)
    if readable_id is None:
        _validate_new_collection(collection)
        asked = given["create_collection"] or collection == DEFAULT_READABLE_ID
        _confirm_new_collection(app, collection, asked=asked)
    new = NewConnection(
        short_name=source,
        readable_collection_id=readable_id or collection,
        config=parse_config(info, given["pairs"], given["config_json"]),
        schedule=_schedule(given["cron"], given["timezone"], given["continuous"] or None),
        sync_immediately=False if given["no_sync"] else None,
        auth=credentials_for(
            app, info, from_stdin=given["credentials_stdin"], ask=not given["authorize"]
        ),
        **plain_fields(given),
    )
    connection, job = app.run(
        _create, new, readable_id is None, given, find_trouble(app), run_jobs=True
    )
    if new.schedule is not None:
        _tell_schedule(app, connection)
    _report(app, connection, job)


@click.command("update", cls=Verb)
@click.argument("connection", metavar="NAME", shell_complete=complete_connection)
@_write_options
@click.option(
    "--collection",
    metavar="ID",
    shell_complete=complete_collection,
    help="Move it to this collection, with all that it stores.",
)
@click.option("--unset", metavar="KEY", multiple=True, help="Remove a configuration field.")
@click.option("--continuous/--no-continuous", default=None, help="Sync changes every few minutes.")
@click.option("--no-schedule", is_flag=True, help="Remove the schedule.")
@click.option("--credentials", "ask", is_flag=True, help="Ask for new credentials.")
@click.option("--expected-version", type=int, help="Refuse if it was changed since.")
@json_option
@pass_app
def update_connection(app: App, connection: str, **given: Any) -> None:
    """Change what is given and nothing else."""
    found, info = app.run(_find, connection)
    changes = _changes(app, info, given)
    if not changes:
        raise InvalidInput(
            "Nothing to change was given.", hint="See `weft connections update --help`."
        )
    if given["expected_version"] is not None:
        changes["expected_version"] = given["expected_version"]
    change = ConnectionChange(**changes)
    updated = app.run(lambda backend: backend.connections.update(found.id, change))
    told = f"Updated '{plain(updated.name)}' (version {updated.version})."
    show(app, updated, "\n".join([told, *preview_lines(updated.preview)]))
    if changes.get("schedule"):
        _tell_schedule(app, updated)


def _tell_schedule(app: App, connection: Connection) -> None:
    """Say when a schedule does not do what it looks like, and when none runs at all."""
    for note in surprises_of(connection.schedule):
        say(f"Note: {note}")
    if connection.schedule and app.load_settings().api_url is None:
        say("Schedules run only while a Weft process is open: `weft serve`, or an agent's.")


async def _look_up(backend: Backend, source: str, collection: str) -> tuple[SourceInfo, str | None]:
    """Find the source, and the collection's readable id if there is such a collection."""
    info = await backend.sources.get(source)
    try:
        return info, (await backend.collections.get(collection)).readable_id
    except NotFound:
        return info, None


async def _find(backend: Backend, connection: str) -> tuple[Connection, SourceInfo]:
    found = await backend.connections.get(connection)
    return found, await backend.sources.get(found.short_name)


async def _create(
    backend: Backend,
    new: NewConnection,
    in_new_collection: bool,
    given: dict[str, Any],
    trouble: Path,
) -> tuple[Connection, Job | None]:
    """Create the connection and follow its first sync; return the job if it was followed."""
    async with AsyncExitStack() as stack:
        if in_new_collection:
            readable_id = new.readable_collection_id
            is_default = readable_id == DEFAULT_READABLE_ID
            named = NewCollection(name=readable_id, readable_id=readable_id)
            made = open_collection(backend.collections, DEFAULT_COLLECTION if is_default else named)
            await stack.enter_async_context(made)
        connection = await backend.connections.create(new)
    if in_new_collection:
        say(f"Created the collection '{new.readable_collection_id}'.")
    preview = connection.preview
    for line in preview_lines(preview):
        say(line)
    if given["authorize"] and connection.status in WAITING_STATUSES:
        connection = await authorize_in_browser(backend, connection, created=True)
    job = connection.sync.last_job
    if job is None and given["authorize"] and not given["no_sync"]:
        job = await _start_first_sync(backend, connection)
    if job is None or given["no_wait"]:
        return connection, None
    say(f"Created '{plain(connection.name)}'; first sync:")
    ended = await follow(backend, job, name=connection.name, cancels=True)
    if ended.status is JobStatus.COMPLETED:
        await wait_for_connection(backend, connection.id, trouble)
    # Read it again, so that what is printed counts what the first sync stored.
    found = await backend.connections.get(connection.id)
    return found.model_copy(update={"preview": preview}), ended


async def _start_first_sync(backend: Backend, connection: Connection) -> Job:
    try:
        return await backend.jobs.run(connection.id)
    except Conflict as conflict:
        # Authorising may have started the sync by itself.
        if conflict.job_id is None:
            raise
        return await backend.jobs.get(conflict.job_id)


def _changes(app: App, info: SourceInfo, given: dict[str, Any]) -> dict[str, Any]:
    changes = plain_fields(given)
    if given["collection"] is not None:
        changes["readable_collection_id"] = given["collection"]
    if given["pairs"] or given["config_json"] or given["unset"]:
        changes["config"] = parse_config(info, given["pairs"], given["config_json"], given["unset"])
    schedule = _schedule(given["cron"], given["timezone"], given["continuous"])
    if schedule is not None and given["no_schedule"]:
        raise InvalidInput(
            "--no-schedule contradicts the other schedule options.", field="schedule"
        )
    if schedule is not None or given["no_schedule"]:
        changes["schedule"] = schedule
    auth = credentials_for(app, info, from_stdin=given["credentials_stdin"], ask=given["ask"])
    if auth is not None:
        changes["auth"] = auth
    elif given["ask"]:
        raise InvalidInput("No credentials were given.", field="auth")
    return changes


def _schedule(
    cron: str | None, timezone: str | None, continuous: bool | None
) -> ScheduleSpec | None:
    given: dict[str, Any] = {"cron": cron, "timezone": timezone, "continuous": continuous}
    present = {key: value for key, value in given.items() if value is not None}
    return ScheduleSpec(**present) if present else None


def _validate_new_collection(collection: str) -> None:
    """Raise InvalidInput, before anything is asked, if there can be no collection of that id."""
    try:
        validate_name(collection)
        validate_readable_id(collection)
    except InvalidInput as error:
        # The error may mention a name, but the person gave only an id.
        raise InvalidInput(
            f"No collection can be made from '{plain(collection)}': {error.message}",
            field="collection",
            hint="Give it a name first: weft collections create NAME --id ID",
        ) from None


def _confirm_new_collection(app: App, collection: str, *, asked: bool) -> None:
    """Ask before a collection is created: its name may be misspelt."""
    if asked:
        return
    if not app.can_ask():
        raise NotFound(
            f"There is no collection '{plain(collection)}'.",
            field="collection",
            hint="Pass --create-collection to create it, or see `weft collections`.",
        )
    question = f"There is no collection '{plain(collection)}'. Create it?"
    if not click.confirm(question, default=True, err=True):
        raise click.exceptions.Exit(1)


def _report(app: App, connection: Connection, job: Job | None) -> None:
    if app.as_json:
        emit(connection)
        if job is not None:
            raise click.exceptions.Exit(exit_code(job))
        return
    if job is not None:
        conclude(app, job)
    click.echo(f"Created '{plain(connection.name)}' ({connection.id}); it is {connection.status}.")
    if connection.status is ConnectionStatus.PENDING_AUTH:
        say("It needs credentials: weft connections update NAME --credentials")
        say("Or give them in a browser: weft connections authorize NAME")
