"""The contract of every source, as a pytest suite that ships with Weft.

Subclass `SourceContract` in a test module and give it a `case` fixture that returns a
`SourceCase`: a source class with a configuration that lists at least two entities.
"""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from pydantic import BaseModel, ValidationError

from weft.domain.base import Json
from weft.domain.entities import ID_MAX_CHARS, Entity
from weft.domain.text.characters import HIDDEN, HIDDEN_OR_BREAK
from weft.errors import AuthenticationFailed, CursorExpired, WeftError
from weft.sources.base import (
    AnySource,
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Failed,
    Incomplete,
    KnownVersions,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.testing.hostile import HostileParser, find_unbounded
from weft.testing.listing_faults import ListingFaults, try_faults
from weft.testing.source_checks import (
    check_preview,
    count_open_files,
    keep_stable,
    list_secrets,
    strings_in,
    try_odd_values,
    try_rate_limit,
)

SHORT_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
SECRET_NAME = re.compile(r"token|secret|password|api_key|private_key")
FIELD_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})
MAX_DESCRIPTION_CHARS = 200
MAX_NAME_CHARS = 40
CANCEL_SECONDS = 2
FAULTS_MIN = 20


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a mutation: the ids that are new or changed, and those that are gone.

    ``relisted`` are those of the latter that only a full listing can show to be gone.
    """

    upserted: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    relisted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SourceCase:
    """One source with what it needs.

    ``mutate`` changes the upstream and returns the effect; ``next_config`` is the configuration
    afterwards, for sources whose configuration decides it. ``bad_credentials`` are well-formed,
    but refused.
    ``hostile`` lists the source's parsers of foreign content, with inputs that are made to cost
    time or memory; or it is a sentence that says why there are none. ``faults`` are the ways in
    which a listing can go wrong; a source without any I/O says in a sentence that it has none.
    """

    source: type[AnySource]
    config: Json
    context: SourceContext
    credentials: Json = field(default_factory=dict[str, Any])
    bad_credentials: Json | None = None
    mutate: Callable[[], Awaitable[Change]] | None = None
    next_config: Json | None = None
    hostile: tuple[HostileParser, ...] | str = ()
    faults: ListingFaults | str = ""

    def make(
        self,
        *,
        config: Json | None = None,
        credentials: Json | None = None,
        known: Mapping[str, str] | None = None,
        stored: Collection[str] | None = None,
        last_cursor: Json | None = None,
        context: SourceContext | None = None,
    ) -> AnySource:
        """Make an instance as the engine does; ``known`` are the versions of an earlier sync.

        ``stored`` are the ids of what that sync stored, if not all of it has a version.
        """

        async def list_stored(limit: int, /) -> Collection[str]:
            return sorted(known or () if stored is None else stored)[:limit]

        context = replace(
            context or self.context,
            known_versions=_look_up(known or {}),
            stored_ids=list_stored,
            unseen_ids=list_stored,
            last_cursor=last_cursor,
        )
        return self.source(
            self.source.Config.model_validate(self.config if config is None else config),
            self.source.Credentials.model_validate(credentials or self.credentials),
            context,
        )


class SourceContract:
    """Every test takes the fixture ``case``, which may be async.

    A ``fault_share`` of 4 tries each fault at about each fourth place of the listing only.
    """

    fault_share: ClassVar[int] = 1

    # All tests are async, because others would get an async fixture unopened.
    pytestmark = pytest.mark.anyio

    async def test_catalogue_entry_is_complete(self, case: SourceCase) -> None:
        info = case.source.info()
        assert SHORT_NAME.fullmatch(info.short_name)
        assert 0 < len(info.name) <= MAX_NAME_CHARS
        assert 10 <= len(info.description) <= MAX_DESCRIPTION_CHARS
        assert "\n" not in info.description
        assert info.entity_types
        assert bool(info.cursor_fields) == info.supports_continuous
        json.dumps(info.model_dump(mode="json"))

    async def test_every_field_is_described_and_typed(self, case: SourceCase) -> None:
        info = case.source.info()
        for shown in (*info.config_fields, *info.auth_fields):
            assert shown.description, shown.name
            assert shown.type in FIELD_TYPES, shown.name

    async def test_secret_fields_are_marked_secret(self, case: SourceCase) -> None:
        info = case.source.info()
        assert not [f.name for f in info.config_fields if f.secret]
        named = {f.name for f in info.auth_fields if SECRET_NAME.search(f.name)}
        assert named <= {f.name for f in info.auth_fields if f.secret}

    async def test_token_of_consent_has_its_field(self, case: SourceCase) -> None:
        consent = case.source.oauth(case.make().config, case.context.options)
        if consent is not None:
            assert consent.token_field in case.source.Credentials.model_fields

    async def test_stored_configuration_means_the_same_in_every_process(
        self, case: SourceCase
    ) -> None:
        config = case.make().config
        stored = case.config | case.source.pin(config, case.context)
        settled = case.source.Config.model_validate(stored)
        nothing = replace(case.context, files_roots=(), allow_hosts=frozenset())
        assert stored | case.source.pin(settled, nothing) == stored

    async def test_process_that_lacks_something_is_told_so_without_a_network(
        self, case: SourceCase
    ) -> None:
        config = case.make().config
        alone = replace(case.context, http=_no_network)
        case.source.require_access(config, alone)
        nothing = replace(alone, files_roots=(), allow_hosts=frozenset())
        try:
            case.source.require_access(config, nothing)
        except WeftError as error:
            assert error.needs  # noqa: PT017 (no error is right too)

    async def test_only_fields_that_are_marked_decide_the_endpoint(self, case: SourceCase) -> None:
        config, options = case.make().config, case.context.options
        for shown in case.source.info().config_fields:
            if shown.type == "string" and not (shown.endpoint or shown.choices):
                moved = config.model_copy(update={shown.name: "https://elsewhere.example/x"})
                assert case.source.endpoint(moved, options) == case.source.endpoint(
                    config, options
                ), shown.name
                scope = case.source.credential_scope(config)
                assert case.source.credential_scope(moved) == scope, shown.name

    @pytest.mark.parametrize("which", ["Config", "Credentials"])
    async def test_unknown_fields_are_refused(self, case: SourceCase, which: str) -> None:
        model: type[BaseModel] = getattr(case.source, which)
        given = case.config if which == "Config" else case.credentials
        with pytest.raises(ValidationError, match="no_such_field"):
            model.model_validate({**given, "no_such_field": 1})

    async def test_secrets_do_not_show(self, case: SourceCase) -> None:
        source = case.make()
        shown = f"{source!r} {source.credentials!r} {source.credentials} {vars(source)}"
        assert not [name for name, secret in list_secrets(source) if secret in shown]

    async def test_check_says_what_was_reached(self, case: SourceCase) -> None:
        source = case.make()
        phrase = await source.check()
        assert phrase.strip()
        assert "\n" not in phrase
        assert not [name for name, secret in list_secrets(source) if secret in phrase]

    async def test_preview_names_what_a_sync_reads(self, case: SourceCase) -> None:
        events = await events_of(case.make())
        stored = {event.id: event.type for event in events if isinstance(event, Entity)}
        listed = {i for event in events if (i := id_of(event))}
        if not await check_preview(case.make(stored=stored), stored, listed):
            pytest.skip("only a sync can tell what it would read")

    async def test_ids_are_unique(self, case: SourceCase) -> None:
        ids = [i for event in await events_of(case.make()) if (i := id_of(event))]
        assert len(ids) >= 2
        assert len(ids) == len(set(ids))

    async def test_listing_is_the_same_twice(self, case: SourceCase) -> None:
        first, second = [await events_of(case.make()) for _ in range(2)]
        assert [keep_stable(event) for event in first] == [keep_stable(event) for event in second]

    async def test_entities_are_well_formed(self, case: SourceCase) -> None:
        entities = [e for e in await events_of(case.make()) if isinstance(e, Entity)]
        assert entities
        types = case.source.list_types(case.make().config)
        for entity in entities:
            assert entity.type in types
            assert entity.title.strip()
            assert 0 < len(entity.id) <= ID_MAX_CHARS
            assert entity.updated_at is None or entity.updated_at.tzinfo is not None
            json.dumps(entity.metadata, allow_nan=False)

    async def test_strings_hold_no_hidden_characters(self, case: SourceCase) -> None:
        for event in await events_of(case.make()):
            if isinstance(event, Entity):
                lines = [event.id, event.title, event.url or "", *event.breadcrumbs]
                lines += [s for part in event.metadata.values() for s in strings_in(part)]
                assert not HIDDEN.search(event.text), event.id
                assert not [line for line in lines if HIDDEN_OR_BREAK.search(line)], event.id
            elif isinstance(event, Skipped | Failed):
                assert not HIDDEN_OR_BREAK.search(event.id)
                assert not HIDDEN_OR_BREAK.search(event.reason)

    async def test_unchanged_comes_only_for_known_versions(self, case: SourceCase) -> None:
        first = await events_of(case.make())
        assert not [event for event in first if isinstance(event, Unchanged)]
        versions = {e.id: e.version for e in first if isinstance(e, Entity) and e.version}
        second = await events_of(case.make(known=versions))
        unchanged = {e.id for e in second if isinstance(e, Unchanged)}
        assert unchanged <= versions.keys()
        assert bool(unchanged) == bool(versions)
        assert [id_of(event) for event in first] == [id_of(event) for event in second]
        stale = await events_of(case.make(known=dict.fromkeys(versions, "another version")))
        assert not [event for event in stale if isinstance(event, Unchanged)]

    async def test_nothing_comes_after_the_last_checkpoint(self, case: SourceCase) -> None:
        if not case.source.supports_continuous:
            pytest.skip("the source lists everything each time")
        cursor = last_cursor(await events_of(case.make()))
        assert json.loads(json.dumps(cursor)) == cursor
        again = await events_of(case.make(), cursor)
        assert [id_of(event) for event in again if id_of(event)] == []

    async def test_change_is_seen(self, case: SourceCase) -> None:
        if case.mutate is None:
            pytest.skip("the case has no mutation")
        before = await events_of(case.make())
        change = await case.mutate()
        after = await events_of(case.make(config=case.next_config))
        old, new = ({e.id: e for e in found if isinstance(e, Entity)} for found in (before, after))
        assert old.keys() - new.keys() == change.deleted
        same = {i for i in old.keys() & new.keys() if keep_stable(old[i]) == keep_stable(new[i])}
        assert new.keys() - same == change.upserted
        if case.source.supports_continuous:
            source = case.make(config=case.next_config)
            since = await events_of(source, last_cursor(before))
            assert {e.id for e in since if isinstance(e, Entity)} == change.upserted
            told = change.deleted - change.relisted
            assert {e.id for e in since if isinstance(e, Deleted)} == told

    async def test_foreign_cursor_is_expired(self, case: SourceCase) -> None:
        if not case.source.supports_continuous:
            pytest.skip("the source takes no cursor")
        with pytest.raises(CursorExpired):
            await events_of(case.make(), {"another": "source's cursor"})

    async def test_bad_credentials_are_refused_and_not_shown(self, case: SourceCase) -> None:
        if case.bad_credentials is None:
            pytest.skip("the source takes no credentials")
        source = case.make(credentials=case.bad_credentials)
        with pytest.raises(AuthenticationFailed) as checked:
            await source.check()
        with pytest.raises(AuthenticationFailed) as fetched:
            await events_of(source)
        for error in (checked.value, fetched.value):
            shown = f"{error} {error!r} {error.message} {error.hint}"
            assert not [name for name, secret in list_secrets(source) if secret in shown]

    async def test_hostile_content_costs_bounded_work_and_memory(self, case: SourceCase) -> None:
        assert case.hostile, "the case must name its parsers' hostile inputs, or why it has none"
        if isinstance(case.hostile, str):
            pytest.skip(case.hostile)
        assert [fault for parser in case.hostile for fault in find_unbounded(parser)] == []

    async def test_good_listing_ends_by_saying_why_it_is_complete(self, case: SourceCase) -> None:
        events = await events_of(case.make())
        assert isinstance(events[-1], Complete)
        assert events[-1].evidence.strip()
        assert not [event for event in events[:-1] if isinstance(event, Complete | Incomplete)]

    async def test_memory_of_another_configuration_leaves_no_gap(self, case: SourceCase) -> None:
        plain = await events_of(case.make())
        events = await events_of(case.make(last_cursor={"another": "configuration's memory"}))
        assert isinstance(events[-1], Complete)
        assert not [event for event in events if isinstance(event, Incomplete)]
        assert [id_of(event) for event in events] == [id_of(event) for event in plain]

    async def test_values_of_other_types_raise_only_our_errors(self, case: SourceCase) -> None:
        if not await try_odd_values(case.make, case.faults, case.context):
            pytest.skip("what is read has no types")

    async def test_long_wait_that_a_service_asks_for_is_told(self, case: SourceCase) -> None:
        if not await try_rate_limit(case.make, case.faults, case.context):
            pytest.skip("nobody asks it to wait")

    async def test_faulty_listing_deletes_nothing(
        self, case: SourceCase, record_property: Callable[[str, object], None]
    ) -> None:
        assert case.faults, "the case must name the faults of its listing, or why it has none"
        if isinstance(case.faults, str):
            reached = case.source.endpoint(case.make().config, case.context.options)
            assert reached is None, "a source that reaches a network has faults"
            pytest.skip(case.faults)
        table = await try_faults(case.make, case.context, case.faults, self.fault_share)
        record_property("listing_faults", f"{case.source.name}: {table.totals}")
        assert table.tried.total() * self.fault_share >= FAULTS_MIN, str(table)
        assert not table.broken, str(table)

    @pytest.mark.parametrize("where", ["inside the source", "between two events"])
    async def test_cancelled_fetch_ends_and_leaves_nothing_open(
        self, case: SourceCase, where: str
    ) -> None:
        await events_of(case.make())
        before = count_open_files(), len(anyio.get_running_tasks())
        with anyio.fail_after(CANCEL_SECONDS):
            with anyio.CancelScope() as scope:
                async with aclosing(case.make().fetch(None)) as events:
                    async for _ in events:
                        scope.cancel()
                        if where == "between two events":
                            await anyio.lowlevel.checkpoint()
            # Abandoned worker threads end a moment later, and no event tells when.
            while count_open_files() > before[0] or len(anyio.get_running_tasks()) > before[1]:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert scope.cancel_called


async def events_of(source: AnySource, cursor: Json | None = None) -> list[Event]:
    """Collect all events of one fetch."""
    async with aclosing(source.fetch(cursor)) as events:
        return [event async for event in events]


def last_cursor(events: Collection[Event]) -> Json:
    """Return the cursor that a sync of these events would have stored."""
    cursors = [event.cursor for event in events if isinstance(event, Checkpoint)]
    assert cursors, "a continuous source ends its listing with a checkpoint"
    return cursors[-1]


def id_of(event: Event) -> str | None:
    """Return the id that an event is about, if it is about one."""
    if isinstance(event, Entity | Unchanged | Deleted | Skipped | Failed):
        return event.id
    return None


def offline_context(
    *, files_roots: tuple[Path, ...] = (), private_paths: tuple[Path, ...] = ()
) -> SourceContext:
    """Return a context in which using the network fails the test."""
    return SourceContext(http=_no_network, files_roots=files_roots, private_paths=private_paths)


def _look_up(versions: Mapping[str, str]) -> KnownVersions:
    async def look_up(ids: Collection[str], /) -> Mapping[str, str]:
        return {i: versions[i] for i in ids if i in versions}

    return look_up


def _no_network(**_: object) -> AbstractAsyncContextManager[Any]:
    raise AssertionError("this source must not reach the network")
