"""Maps the API's refusals to our errors.

The API's texts only help us recognise what happened. The texts that are shown are written here,
with only field names and a few vetted phrases from the API, because a foreign text may quote
secrets, SQL or instructions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from weft.domain.connections import AuthMethod
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.validation import read_problems


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the API. ``readable`` is false, and ``body`` None, if it is not JSON."""

    status: int
    body: JsonValue = None
    readable: bool = True
    retry_after: float | None = None


class AlreadyLive(Conflict):
    """A sync is running already. Its job has to be looked up."""


class NoSync(NotFound):
    """The connection has nothing to run: Airweave created it with no schedule and no first sync."""


def build_error(answer: ApiAnswer, *, missing: str | None = None) -> WeftError:
    """Build our error for a refusal. ``missing`` is the argument that a plain 404 is about."""
    detail = _detail(answer.body)
    for phrase, make in _PHRASES:
        match = phrase.search(detail)
        if match and answer.status in (400, 404, 409, 422):
            return make(match)
    by_status = _BY_STATUS.get(answer.status)
    if by_status is not None:
        return by_status(answer, missing)
    if answer.status >= 500:
        return SourceUnavailable(f"The Airweave API failed (HTTP {answer.status}).")
    if 300 <= answer.status < 400:
        return SourceUnavailable(
            f"The Airweave API redirects elsewhere (HTTP {answer.status}), which is not followed.",
            hint="The operator has to correct WEFT_API_URL.",
        )
    return Unsupported(
        f"The Airweave API refused the call (HTTP {answer.status}).", field=_field_of(answer.body)
    )


def rate_limit_error(answer: ApiAnswer) -> RateLimited:
    """Build the error that says when to try again."""
    seconds = answer.retry_after
    when = f"in {seconds:.0f} s" if seconds is not None else "in a minute"
    return RateLimited(
        f"The rate limit of the Airweave API is used up (HTTP 429); try again {when}.",
        retry_after=seconds,
        hint="Nothing was changed.",
    )


def live_job_id(body: JsonValue) -> str | None:
    """Return the id of the running job that is in the way, if the API names it, as Weft's does."""
    job_id = body.get("job_id") if isinstance(body, dict) else None
    return job_id if isinstance(job_id, str) and _UUID.fullmatch(job_id) else None


def _detail(body: JsonValue) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail[:1000] if isinstance(detail, str) else ""


def _field_of(body: JsonValue) -> str | None:
    """Return the field that Weft's own API names next to its text."""
    field = body.get("field") if isinstance(body, dict) else None
    if field == "source_connection_id":
        return "connection_id"
    return field if isinstance(field, str) and _FIELD.fullmatch(field) else None


def _invalid_input_error(answer: ApiAnswer, _missing: str | None) -> WeftError:
    fault = _source_error(answer.body)
    if fault is not None:
        return fault
    found = read_problems(answer.body)
    named = _field_of(answer.body)
    if not found:
        field = named or ("auth" if "auth fields" in _detail(answer.body) else None)
        if field == "auth":
            return _credentials_error(None)
        return InvalidInput(
            f"The Airweave API does not accept {field or 'an argument'} (HTTP 422).", field=field
        )
    text = "; ".join(f"{field}: {said}" for field, said in found[:_SHOWN_MAX])
    return InvalidInput(
        f"{text}.", field=named or found[0][0], hint="get_source lists the fields of a source."
    )


def _source_error(body: JsonValue) -> WeftError | None:
    """Return the source's refusal, which Weft's own API marks in the problem's type."""
    detail = body.get("detail") if isinstance(body, dict) else None
    items = detail if isinstance(detail, list) else []
    kinds = [item.get("type") for item in items if isinstance(item, dict)]
    for kind in kinds:
        if kind == ErrorCategory.ACCESS_DENIED:
            return AccessDenied(
                "The credentials do not reach what config names.",
                hint="Give them access at the source, or correct config.",
            )
        if kind == ErrorCategory.CONFIG_INVALID:
            return SourceMisconfigured(
                "config names something that cannot be read.", field="config"
            )
        if kind in _CREDENTIAL_KINDS:
            return _credentials_error(None)
    return None


def _key_error(answer: ApiAnswer, _missing: str | None) -> WeftError:
    if answer.status == 401:
        text = "The Airweave API did not accept the key in WEFT_API_KEY (HTTP 401)."
    else:
        text = (
            "The Airweave API refused the key in WEFT_API_KEY (HTTP 403): it is wrong or expired, "
            "or it may not do this."
        )
    return NotPermitted(text, hint="Only the operator can change that.")


def _not_found_error(answer: ApiAnswer, missing: str | None) -> WeftError:
    field = _field_of(answer.body) or missing
    if field is None:
        return Unsupported(
            "The address in WEFT_API_URL does not offer this (HTTP 404).",
            hint="The operator has to check WEFT_API_URL.",
        )
    noun = _NOUNS.get(field, "object")
    return NotFound(f"No {noun} has that id or name.", field=field, hint=_LISTS.get(field))


def _conflict_error(answer: ApiAnswer, _missing: str | None) -> WeftError:
    job_id = live_job_id(answer.body)
    if job_id is not None:
        return AlreadyLive(
            f"A sync of this connection is running: job {job_id}.",
            field=_field_of(answer.body),
            job_id=job_id,
        )
    return Conflict(
        "The state of what was named forbids this now (HTTP 409).",
        field=_field_of(answer.body),
        hint="Read it again with get_connection or get_job.",
    )


def _unsupported_error(answer: ApiAnswer, _missing: str | None) -> WeftError:
    field = _field_of(answer.body)
    return Unsupported("The Airweave API cannot do this (HTTP 400).", field=field)


def _credentials_error(_match: re.Match[str] | None) -> WeftError:
    return AuthenticationFailed(
        "The credentials or the configuration did not pass the check at the source.",
        hint="Nothing was stored. Correct auth or config; get_source lists the fields.",
    )


def _method_error(match: re.Match[str]) -> WeftError:
    known = [name for name in re.findall(r"\w+", match["methods"]) if name in _METHODS]
    offered = ", ".join(dict.fromkeys(known)) or "another one"
    return Unsupported(
        f"The source does not support this authentication method; it offers: {offered}.",
        field="auth",
        hint="Give auth in one of these forms; get_source lists the fields.",
    )


def _error_of(
    kind: Callable[..., WeftError], text: str, **facts: str | None
) -> Callable[[re.Match[str]], WeftError]:
    return lambda _match: kind(text, **facts)


def _not_found_of(field: str) -> Callable[[re.Match[str]], WeftError]:
    text = f"No {_NOUNS[field]} has that id or name."
    return _error_of(NotFound, text, field=field, hint=_LISTS.get(field))


_SHOWN_MAX: Final = 5
_CREDENTIAL_KINDS: Final = frozenset(
    {
        ErrorCategory.API_KEY_INVALID,
        ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
        ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE,
        ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID,
    }
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELD: Final = re.compile(r"[a-z_]{1,40}(\.[a-z0-9_]{1,40}){0,4}")
_METHODS: Final = frozenset(method.value for method in AuthMethod)
_NOUNS: Final = {
    "connection_id": "connection",
    "readable_collection_id": "collection",
    "short_name": "source",
    "job_id": "job",
    "auth.auth_provider.provider_readable_id": "auth provider",
}
_LISTS: Final = {
    "connection_id": "list_connections shows what there is.",
    "readable_collection_id": "list_collections shows what there is; create_collection makes one.",
    "short_name": "list_sources shows what there is.",
    "job_id": "list_jobs shows what there is.",
}
_BY_STATUS: Final[dict[int, Callable[[ApiAnswer, str | None], WeftError]]] = {
    400: _unsupported_error,
    401: _key_error,
    403: _key_error,
    404: _not_found_error,
    405: _unsupported_error,
    409: _conflict_error,
    413: lambda _answer, _missing: InvalidInput("The arguments are too large (HTTP 413)."),
    422: _invalid_input_error,
    429: lambda answer, _missing: rate_limit_error(answer),
}
_SCHEDULE_HINT: Final = "The shortest interval is one hour, e.g. '0 * * * *'."
_Make = Callable[[re.Match[str]], WeftError]
_TEXTS: Final[tuple[tuple[str, _Make], ...]] = (
    (
        r"^Cannot start new sync: a sync job is already ",
        _error_of(AlreadyLive, "A sync of this connection is running already."),
    ),
    (
        r"^Cannot trigger sync: sync is SyncStatus\.PAUSED",
        _error_of(
            Conflict,
            "The syncs of this connection are paused.",
            hint="It most likely needs authorize_connection, or has to be resumed at Airweave.",
        ),
    ),
    (r"^Cannot cancel job in \w+ state", _error_of(Conflict, "The job cannot be cancelled.")),
    (
        r"^No sync found for this source connection",
        _error_of(NoSync, "The connection has nothing to run.", field="connection_id"),
    ),
    (
        r"^Collection with readable_id '.*' already exists",
        _error_of(Conflict, "The readable_id is taken.", field="readable_id"),
    ),
    (
        r"does not support this authentication method\. Supported methods: (?P<methods>.*)",
        _method_error,
    ),
    (
        r"does not support continuous syncs\.",
        _error_of(
            InvalidInput,
            "The source does not sync that often.",
            field="schedule",
            hint=_SCHEDULE_HINT,
        ),
    ),
    (
        r"^Invalid CRON expression",
        _error_of(InvalidInput, "schedule.cron is not valid.", field="schedule.cron"),
    ),
    (
        r"^OAuth connections cannot use sync_immediately",
        _error_of(
            InvalidInput,
            "sync_immediately cannot be true before the connection is authorised.",
            field="sync_immediately",
        ),
    ),
    (
        r"^Connection is already authenticated",
        _error_of(Conflict, "The connection is authorised already."),
    ),
    (r"OAuth session", _error_of(Conflict, "No authorisation of it is waiting.")),
    (r"^(Credential v|V)alidation failed", _credentials_error),
    (
        r"^Organization with ID ",
        _error_of(
            NotPermitted,
            "The Airweave API does not know the organisation in WEFT_API_ORGANIZATION.",
            hint="Only the operator can change that.",
        ),
    ),
    (
        r"^Auth provider .*not found",
        _not_found_of("auth.auth_provider.provider_readable_id"),
    ),
    (r"^Sync job not found", _not_found_of("job_id")),
    (r"^Source ?[Cc]onnection not found", _not_found_of("connection_id")),
    (r"^Collection not found", _not_found_of("readable_collection_id")),
    (r"^Source ('.*' not found|not found)", _not_found_of("short_name")),
)
_PHRASES: Final = tuple((re.compile(phrase), make) for phrase, make in _TEXTS)
