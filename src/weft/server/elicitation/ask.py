"""Ask the person in front of the client, in both protocol eras.

Up to 2025-11-25 a question is a request to the client, and the call waits for the answer. Since
2026-07-28 it is the result of the call: the client puts the question and repeats the call with the
answer. The handler then runs again from its start and finds the earlier answers here.

No form asks for a secret. Answers count only for questions that were really asked: the questions,
answers and actions of earlier rounds travel in the request state, which the SDK seals.
"""

import json
import math
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, cast

import anyio
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from weft.domain.sources import FieldInfo
from weft.errors import Conflict

PERSON_SECONDS_MAX = 300.0
"""The longest wait for a person's answer, which does not count towards the time of the call."""

_ROUNDS_SINCE = "2026-07-28"
# The SDK refuses older request states, so nothing needs to be remembered for longer.
_STATE_SECONDS_MAX = 600.0
_TEXT_MAX_CHARS = 2000
_FIELDS_SHOWN = frozenset({"string", "integer", "number", "boolean"})

Value = str | int | float | bool
AnyContext = Context[Any, Any]


class AskOutcome(StrEnum):
    """The outcome of a question. Only ACCEPTED is a yes."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"
    MALFORMED = "malformed"
    UNAVAILABLE = "unavailable"


_OUTCOMES = {
    "decline": AskOutcome.DECLINED,
    "cancel": AskOutcome.CANCELLED,
    "malformed": AskOutcome.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """An answer, whose ``values`` have been checked against the fields of the question."""

    outcome: AskOutcome
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])

    @property
    def accepted(self) -> bool:
        """Return whether the person agreed."""
        return self.outcome is AskOutcome.ACCEPTED


class AnswersNeeded(Exception):
    """Ends a round: ``result`` asks the question, and the client calls again with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the client puts a question and calls again")
        self.result = result


class Rounds:
    """Remembers the side effects of calls that take several rounds, so that none is repeated.

    It lives as long as the process, and so does the key that seals request states.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: dict[tuple[str, str], tuple[float, Any]] = {}
        self._doing: set[tuple[str, str]] = set()

    async def run_once(self, call_id: str, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """Run ``make`` once per call and return its first result. Raises Conflict while it runs."""
        key = (call_id, name)
        now = self._clock()
        self._done = {known: kept for known, kept in self._done.items() if kept[0] > now}
        if key in self._done:
            return self._done[key][1]
        if key in self._doing:
            raise Conflict("The same call is being carried out already.", hint="Wait for it.")
        self._doing.add(key)
        try:
            value = await make()
        finally:
            self._doing.discard(key)
        self._done[key] = (self._clock() + _STATE_SECONDS_MAX, value)
        return value


class Ask:
    """Asks the person behind the current call."""

    def __init__(self, context: AnyContext | None, rounds: Rounds) -> None:
        self._context = context
        self._rounds = rounds
        self._state: _RoundState | None = None
        self._scope: anyio.CancelScope | None = None
        self._opened: str | None = None

    @property
    def can_show_form(self) -> bool:
        """Return whether the client shows forms; a client that names no mode does."""
        modes = self._modes
        return modes is not None and (modes.form is not None or modes.url is None)

    @property
    def can_open_link(self) -> bool:
        """Return whether the client opens links."""
        modes = self._modes
        return modes is not None and modes.url is not None

    @property
    def seconds_left(self) -> float:
        """Return the time left for the call."""
        return math.inf if self._scope is None else self._scope.deadline - anyio.current_time()

    def set_scope(self, scope: anyio.CancelScope) -> None:
        """Set the scope that ends the call, so that waiting for a person can extend it."""
        self._scope = scope

    async def show_form(self, key: str, message: str, fields: Sequence[FieldInfo]) -> PersonAnswer:
        """Show a form, without secret fields. ``key`` names the question within the tool.

        The message may differ between rounds, so check that its subject is unchanged before you
        act on the answer.
        """
        if not self.can_show_form:
            return PersonAnswer(AskOutcome.UNAVAILABLE)
        schema = form_schema(fields)
        params = ElicitRequestFormParams(message=message, requested_schema=schema)
        said = await self._put_question(key, ElicitRequest(params=params))
        return said if isinstance(said, PersonAnswer) else _to_answer(said, fields)

    async def offer_link(self, key: str, message: str, url: str) -> PersonAnswer:
        """Offer to open a link. ACCEPTED means that the person opens it, not that they are done."""
        if not self.can_open_link:
            return PersonAnswer(AskOutcome.UNAVAILABLE)
        self._opened = None if self._in_rounds else uuid.uuid4().hex
        params = ElicitRequestURLParams(message=message, url=url, elicitation_id=self._opened)
        said = await self._put_question(key, ElicitRequest(params=params))
        return said if isinstance(said, PersonAnswer) else _to_answer(said, ())

    async def announce_completion(self) -> None:
        """Tell a client of the older era that the person is done with the link."""
        if self._opened is None or self._context is None:
            return
        opened, self._opened = self._opened, None
        session = self._context.session
        await session.send_elicit_complete(opened, related_request_id=self._context.request_id)

    async def once_per_call(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """Run ``make`` in the first round; later rounds get its result, which must be JSON."""
        state = self._round_state
        if name not in state.kept:
            state.kept[name] = await self._rounds.run_once(state.call_id, name, make)
        return state.kept[name]

    @property
    def _modes(self) -> Any:
        capabilities = None if self._context is None else self._context.client_capabilities
        return None if capabilities is None else capabilities.elicitation

    @property
    def _in_rounds(self) -> bool:
        version = None if self._context is None else self._context.protocol_version
        return version is not None and is_version_at_least(version, _ROUNDS_SINCE)

    @property
    def _round_state(self) -> "_RoundState":
        if self._state is None:
            sealed = None if self._context is None else self._context.request_state
            self._state = (
                _RoundState.model_validate(json.loads(sealed)) if sealed else _RoundState()
            )
            self._take_responses(self._state)
        return self._state

    def _take_responses(self, state: "_RoundState") -> None:
        """Take this round's answers to the questions of the last round."""
        given = (self._context and self._context.input_responses) or {}
        for key in [asked for asked in state.asked if asked in given]:
            response = given[key]
            state.asked.remove(key)
            state.answers[key] = (
                _RawAnswer(action=response.action, content=_bound_size(response.content))
                if isinstance(response, ElicitResult)
                else _RawAnswer(action="malformed")
            )

    async def _put_question(self, key: str, request: ElicitRequest) -> "_RawAnswer | PersonAnswer":
        if self._context is None:
            return PersonAnswer(AskOutcome.UNAVAILABLE)
        if not self._in_rounds:
            return await self._ask_at_once(self._context, request)
        state = self._round_state
        if key in state.answers:
            return state.answers[key]
        if key not in state.asked:
            state.asked.append(key)
        # Write plain ASCII, because answers and names may hold lone surrogates, unknown to UTF-8.
        text = json.dumps(state.model_dump())
        raise AnswersNeeded(InputRequiredResult(input_requests={key: request}, request_state=text))

    async def _ask_at_once(
        self, context: AnyContext, request: ElicitRequest
    ) -> "_RawAnswer | PersonAnswer":
        params, session, request_id = request.params, context.session, context.request_id
        try:
            with self._stop_the_clock(), anyio.move_on_after(PERSON_SECONDS_MAX):
                if isinstance(params, ElicitRequestFormParams):
                    result = await session.elicit_form(
                        params.message, params.requested_schema, request_id
                    )
                else:
                    result = await session.elicit_url(
                        params.message, params.url, self._opened or "", request_id
                    )
                return _RawAnswer(action=result.action, content=_bound_size(result.content))
        except ValidationError:
            return PersonAnswer(AskOutcome.MALFORMED)
        except MCPError:
            # The client declares elicitation but does not support it.
            return PersonAnswer(AskOutcome.UNAVAILABLE)
        return PersonAnswer(AskOutcome.UNANSWERED)

    @contextmanager
    def _stop_the_clock(self) -> Generator[None]:
        if self._scope is None:
            yield
            return
        left = self.seconds_left
        self._scope.deadline = math.inf
        try:
            yield
        finally:
            self._scope.deadline = anyio.current_time() + left


class _RawAnswer(BaseModel):
    """An answer before it is checked."""

    # Build the model at first use: most clients never need it, and all wait for the start.
    model_config = ConfigDict(defer_build=True)

    action: Literal["accept", "decline", "cancel", "malformed"]
    content: dict[str, Any] | None = None


class _RoundState(BaseModel):
    """The questions, answers and results of a call that takes several rounds."""

    model_config = ConfigDict(defer_build=True)

    call_id: str = Field(default_factory=lambda: secrets.token_hex(16))
    asked: list[str] = Field(default_factory=list[str])
    answers: dict[str, _RawAnswer] = Field(default_factory=dict[str, _RawAnswer])
    kept: dict[str, Any] = Field(default_factory=dict[str, Any])


def can_be_asked(one: FieldInfo) -> bool:
    """Return whether a form may have the field: only plain values, and never a secret."""
    return one.type in _FIELDS_SHOWN and not one.secret


def form_schema(fields: Sequence[FieldInfo]) -> dict[str, Any]:
    """Convert fields to the protocol's restricted JSON schema. Raises ValueError for a secret."""
    if not all(can_be_asked(one) for one in fields):
        raise ValueError("a form takes plain values only, and never a secret")
    return {
        "type": "object",
        "properties": {one.name: _property_schema(one) for one in fields},
        "required": [one.name for one in fields if one.required],
    }


def _property_schema(one: FieldInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": one.type, "title": one.title}
    if one.description:
        shown["description"] = one.description
    if one.choices and one.type == "string":
        shown["enum"] = list(one.choices)
    elif one.type == "string":
        shown["maxLength"] = _TEXT_MAX_CHARS
    if one.default is not None:
        shown["default"] = one.default
    return shown


def _to_answer(said: _RawAnswer, fields: Sequence[FieldInfo]) -> PersonAnswer:
    if said.action != "accept":
        return PersonAnswer(_OUTCOMES[said.action])
    values = _validate_values(said.content or {}, fields)
    return PersonAnswer(
        AskOutcome.MALFORMED if values is None else AskOutcome.ACCEPTED, values or {}
    )


def _validate_values(
    content: Mapping[str, Any], fields: Sequence[FieldInfo]
) -> dict[str, Value] | None:
    """Return the values by field, or None unless they fit the fields exactly."""
    by_name = {one.name: one for one in fields}
    # A field left empty counts as not given.
    given = {name: value for name, value in content.items() if value not in (None, "")}
    if not given.keys() <= by_name.keys():
        return None
    if any(one.required and one.name not in given for one in fields):
        return None
    if not all(_fits(value, by_name[name]) for name, value in given.items()):
        return None
    return given


def _fits(value: object, one: FieldInfo) -> bool:
    if isinstance(value, bool) or one.type == "boolean":
        return isinstance(value, bool) and one.type == "boolean"
    if one.type == "string":
        short = isinstance(value, str) and len(value) <= _TEXT_MAX_CHARS
        return short and (not one.choices or value in one.choices)
    if one.type == "integer":
        return isinstance(value, int)
    return isinstance(value, int | float) and math.isfinite(value)


def _bound_size(content: Mapping[str, object] | None) -> dict[str, Any] | None:
    """Replace content that is too large for the request state by content that no form accepts."""
    if content is None:
        return None
    size = sum(len(str(name)) + len(str(value)) for name, value in content.items())
    return {"": "too large"} if size > 20 * _TEXT_MAX_CHARS else cast("dict[str, Any]", content)
