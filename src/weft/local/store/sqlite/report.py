"""The health of a database file, for `weft doctor`."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import apsw
from pydantic import Field

from weft.domain.base import Frozen
from weft.errors import StorageFailed
from weft.local.store.sqlite.file.database import storage_error
from weft.local.store.sqlite.file.place import Place
from weft.local.store.sqlite.file.queries import newest_version, queries
from weft.local.store.sqlite.file.schema import has_other_shape, other_shape
from weft.local.store.sqlite.file.session import AsyncSession, Session, connect
from weft.local.store.sqlite.tables.rows import rows
from weft.local.store.values import micros

_NAMED = 5
_LOST = {
    "connection": ("Connections", "weft connections authorize ID"),
    "secret": ("Secrets", "weft secret set NAME"),
    "oauth_client": ("OAuth clients", "weft oauth-clients set SOURCE"),
    "auth_provider": (
        "Auth providers",
        "weft auth-providers remove NAME`, then `weft auth-providers add",
    ),
}


class WayReport(Frozen):
    """What collections that are embedded in one way have: see `ways`."""

    way: str
    model: str | None
    collections: int
    embedded: int
    total: int


class DatabaseReport(Frozen):
    """The findings about the file; ``problems`` is empty when all is well.

    ``sealed_with`` is the id of the master key that stored credentials need.
    """

    path: str
    exists: bool
    read_only: bool = False
    sqlite_version: str
    size_bytes: int = 0
    schema_version: int = 0
    schema_version_expected: int
    collections: int = 0
    connections: int = 0
    jobs: int = 0
    live_jobs: int = 0
    entities: int = 0
    restorable: int = 0
    awaiting_cleanup: int = 0
    ways: tuple[WayReport, ...] = ()
    sealed_with: str | None = Field(default=None, exclude=True)
    problems: tuple[str, ...] = ()


async def report(path: Path) -> DatabaseReport:
    """Examine the file without changing it; report damage instead of raising an error."""
    base = DatabaseReport(
        path=str(path),
        exists=await anyio.Path(path).exists(),
        sqlite_version=apsw.sqlite_lib_version(),
        schema_version_expected=newest_version(),
    )
    if not base.exists:
        return base
    try:
        place = Place.prepare(path)
        session = await connect(place.uri)
        base = base.model_copy(update={"read_only": place.read_only})
        try:
            return await session.async_run(_look, session, base, path)
        finally:
            await session.aclose()
    except StorageFailed as error:
        return base.model_copy(update={"problems": (str(error),)})
    except apsw.Error as error:
        return base.model_copy(update={"problems": (str(storage_error(error)),)})


def _look(db: AsyncSession, base: DatabaseReport, path: Path) -> DatabaseReport:
    session: Session = db  # pyright: ignore[reportAssignmentType] (on its own thread it is both)
    session.execute("PRAGMA query_only = ON")
    version = int(session.pragma("user_version"))
    problems = [str(row[0]) for row in session.execute("PRAGMA quick_check(5)") if row[0] != "ok"]
    if version != base.schema_version_expected:
        problems.append(_other_version(version, base))
        return base.model_copy(update={"schema_version": version, "problems": tuple(problems)})
    if has_other_shape(session):
        problems.append(str(other_shape()))
        return base.model_copy(update={"schema_version": version, "problems": tuple(problems)})
    problems.extend(_describe_lost(session))
    problems.extend(_describe_misfits(session))
    return base.model_copy(
        update={
            "size_bytes": sum(
                file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file()
            ),
            "schema_version": version,
            **next(rows(session, queries()["report_counts"], {"now": micros(datetime.now(UTC))})),
            "ways": tuple(
                WayReport.model_validate(row) for row in rows(session, queries()["report_ways"])
            ),
            "sealed_with": _find_master_kid(session),
            "problems": tuple(problems),
        }
    )


def _other_version(version: int, base: DatabaseReport) -> str:
    expected = base.schema_version_expected
    said = f"The schema of the database has version {version}, and this Weft's is {expected}"
    if version > expected:
        return f"{said}: upgrade Weft, or point WEFT_HOME at another folder."
    if base.read_only:
        return f"{said}: here it is read-only, so it cannot be brought up to date."
    return f"{said}: the next `weft serve`, or any other verb, brings it up to date."


def _describe_lost(session: Session) -> list[str]:
    """Describe the secrets whose key was given up or damaged, one line per kind."""
    names: dict[str, list[str]] = {}
    for kind, name in session.execute(queries()["sealed_lost"]):
        names.setdefault(str(kind), []).append(str(name))
    return [_lost_line(*_LOST[kind], found) for kind, found in names.items()]


def _describe_misfits(session: Session) -> list[str]:
    count = session.execute(queries()["report_misfit_vectors"]).get
    said = (
        f"Vectors of {count} entities do not fit what is stored, so search by meaning may miss"
        " some. Report this, please, as no use of Weft should lead to it."
    )
    return [said] if count else []


def _lost_line(what: str, again: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    named = ", ".join(names[:_NAMED])
    return f"{what} whose key is lost: {named}{more}. Give what they hold again: `{again}`."


def _find_master_kid(session: Session) -> str | None:
    if session.execute(queries()["data_key_any"]).get is None:
        return None
    return session.execute(queries()["master_kid"]).get
