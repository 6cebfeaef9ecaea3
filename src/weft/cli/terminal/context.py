"""The context of a verb: settings, an open backend, and where output goes.

`weft serve` imports it too, so it imports neither rich nor anything of the engine.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, cast

import anyio
import click
from pydantic import BaseModel

from weft.backend import Backend
from weft.cli.terminal.hints import with_verbs
from weft.domain.access.acting import acting
from weft.domain.access.principals import LOCAL_ORGANIZATION_NAME, LOCAL_PRINCIPAL
from weft.errors import Conflict, WeftError
from weft.settings import Settings, load_settings

if TYPE_CHECKING:
    from weft.local.embedding.models import Trial

K = TypeVar("K")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
F = TypeVar("F", bound=Callable[..., Any])


TriedModels = tuple[Mapping[str, "Trial"], "Trial | None"]


class OpenBackend(Protocol):
    """Open the backend, with or without running jobs in this process."""

    def __call__(
        self, settings: Settings, /, *, run_jobs: bool
    ) -> AbstractAsyncContextManager[Backend]: ...


def _open_backend(settings: Settings, /, *, run_jobs: bool) -> AbstractAsyncContextManager[Backend]:
    # Imported here because help and usage errors need no engine.
    from weft.assembly import backends

    return backends.open_backend(settings, run_jobs=run_jobs)


def _inspect_database(settings: Settings) -> Mapping[str, Any]:
    from weft.assembly import operator  # see above

    return anyio.run(operator.inspect_database, settings).model_dump(mode="json")


def _inspect_api(settings: Settings) -> Mapping[str, str]:
    from weft.assembly import remote  # see above

    return anyio.run(remote.inspect_api, settings)


def _try_models(settings: Settings, ways: Sequence[str]) -> TriedModels:
    from weft.local.embedding import models  # see above

    return models.try_models(settings, ways)


@dataclass(slots=True)
class App:
    """The outside world as verbs see it; tests bring their own."""

    open_backend: OpenBackend = _open_backend
    inspect_database: Callable[[Settings], Mapping[str, Any]] = _inspect_database
    inspect_api: Callable[[Settings], Mapping[str, str]] = _inspect_api
    try_models: Callable[[Settings, Sequence[str]], TriedModels] = _try_models
    load_settings: Callable[[], Settings] = load_settings
    shows_people: Callable[[], bool] = lambda: sys.stdout.isatty()
    can_ask: Callable[[], bool] = lambda: sys.stdin.isatty()
    json_asked: bool = False

    @property
    def as_json(self) -> bool:
        """Return whether this run prints a JSON document instead of text for people."""
        return self.json_asked or not self.shows_people()

    def run(
        self, work: Callable[[Backend, *Ts], Awaitable[T]], *args: *Ts, run_jobs: bool = False
    ) -> T:
        """Open the backend, await ``work(backend, *args)``, close it cleanly, return the result.

        Only a verb that waits for a sync runs jobs; any other would just start them and hand them
        back.
        """
        return self.run_with(partial(self.open_backend, run_jobs=run_jobs), work, *args)

    def run_with(
        self,
        opening: Callable[[Settings], AbstractAsyncContextManager[K]],
        work: Callable[[K, *Ts], Awaitable[T]],
        *args: *Ts,
    ) -> T:
        """Do as `run`, with something other than a backend, such as the keys alone."""

        async def open_and_work() -> T:
            async with opening(settings) as opened:
                with acting_by_verb():
                    return await work(opened, *args)

        settings = self.load_settings()
        return anyio.run(open_and_work)


@contextmanager
def acting_by_verb() -> Generator[None]:
    """Attribute changes made within this block to this verb and the person who runs it.

    Do not open an engine within it: changes that an engine makes while opening are not the verb's.
    """
    ctx = click.get_current_context(silent=True)
    with acting(
        operation=ctx.command_path.removeprefix("weft ") if ctx else "cli",
        principal=LOCAL_PRINCIPAL.name,
        transport="cli",
        arguments=ctx.params if ctx else None,
    ):
        yield


pass_app = click.make_pass_decorator(App, ensure=True)


def json_option(command: F) -> F:
    """Give a verb the option --json."""

    def remember(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        ctx.ensure_object(App).json_asked |= value

    return click.option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=remember,
        help="Print one JSON document (the default when the output is not a terminal).",
    )(command)


def hosts_option(text: str) -> Callable[[F], F]:
    """Give a verb the option --host, with ``text`` as its help."""
    return click.option(
        "--host", "hosts", multiple=True, metavar="HOST", help=f"{text}; may be repeated."
    )


def organization_option(text: str) -> Callable[[F], F]:
    """Give a verb the option --organization, with ``text`` as its help."""
    return click.option(
        "--organization", default=LOCAL_ORGANIZATION_NAME, show_default=True, help=text
    )


def emit(value: BaseModel | Mapping[str, Any]) -> None:
    """Print one JSON document on standard output."""
    document = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    click.echo(dumps(document))


def show(app: App, result: BaseModel | Mapping[str, Any], text: str = "", note: str = "") -> None:
    """Print ``result`` as JSON, or for people ``text``, and ``note`` on standard error."""
    if app.as_json:
        emit(result)
        return
    if text:
        click.echo(text)
    if note:
        say(note)


def dumps(document: object) -> str:
    """Return indented JSON that the encoding of stdout can carry."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(document, indent=2, ensure_ascii=not utf8)


def say(message: str) -> None:
    """Print a message that is not the result, on standard error."""
    # click.echo would write past a progress bar that is being drawn there.
    sys.stderr.write(f"{message}\n")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions themselves, without the groups that task groups wrap them in."""
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from leaves(inner)
    else:
        yield error


def report_error(app: App, error: WeftError) -> None:
    """Print one clear line on standard error, or with --json an object with the same facts."""
    if app.json_asked:
        facts: dict[str, Any] = {
            "type": type(error).__name__,
            "message": error.message,
            "field": error.field,
            "hint": error.hint and with_verbs(error.hint),
            "category": error.category.value,
        }
        if isinstance(error, Conflict):
            facts["job_id"] = error.job_id
        say(dumps({"error": facts}))
        return
    say(f"error: {' '.join(with_verbs(str(error)).split())}")
