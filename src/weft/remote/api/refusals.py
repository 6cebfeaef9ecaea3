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

from weft.errors import (
    AccessDenied,
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
from weft.remote.api.meanings import LISTS, NOUNS, AlreadyLive, credentials_error
from weft.remote.api.phrases import find_meaning
from weft.remote.api.validation import read_problems


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the API. ``readable`` is false, and ``body`` None, if it is not JSON."""

    status: int
    body: JsonValue = None
    readable: bool = True
    retry_after: float | None = None


def build_error(answer: ApiAnswer, *, missing: str | None = None) -> WeftError:
    """Build our error for a refusal. ``missing`` is the argument that a plain 404 is about."""
    detail = _detail(answer.body)
    meaning = find_meaning(detail)
    if meaning is not None:
        return meaning
    if is_source_limit(answer):
        return RateLimited(
            "The source limits requests at the moment, not the Airweave API.",
            retry_after=answer.retry_after,
            hint="Nothing was stored. Wait for the source's limit to reset, then call again.",
        )
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


def is_understood(answer: ApiAnswer) -> bool:
    """Return whether a refusal says why, so that asking again would change nothing."""
    return is_source_limit(answer) or find_meaning(_detail(answer.body)) is not None


def is_source_limit(answer: ApiAnswer) -> bool:
    """Return whether the source's rate limit is used up, and not the API's."""
    return answer.status == 429 and _detail(answer.body).startswith(_SOURCE_LIMITS)


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
            return credentials_error()
        return InvalidInput(
            f"The Airweave API does not accept {field or 'an argument'} (HTTP 422).",
            field=field,
            hint=_CHECK_HINT,
        )
    text = "; ".join(f"{field}: {said}" for field, said in found[:_SHOWN_MAX])
    return InvalidInput(
        f"{text}.", field=named or found[0][0], hint="get_source lists the fields of a source."
    )


def _source_error(body: JsonValue) -> WeftError | None:
    """Return the source's refusal, which Weft's own API marks in the problem's type."""
    detail = body.get("detail") if isinstance(body, dict) else None
    items = detail if isinstance(detail, list) else []
    fields = [field for field, _ in read_problems(body) if field.startswith("config.")]
    kinds = [item.get("type") for item in items if isinstance(item, dict)]
    for kind in kinds:
        if kind == ErrorCategory.ACCESS_DENIED:
            return AccessDenied(
                "The credentials do not reach what config names.",
                hint="Give them access at the source, or correct config.",
            )
        if kind == ErrorCategory.CONFIG_INVALID:
            text = "names something that cannot be read."
            if fields:
                return SourceMisconfigured(f"{fields[0]} is missing, or {text}", field=fields[0])
            return SourceMisconfigured(f"config {text}", field="config")
        if kind in _CREDENTIAL_KINDS:
            return credentials_error()
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
    named = _field_of(answer.body)
    field = named or missing
    # A missing object is named; this is the text for an address that has no route.
    if field is None or (named is None and _detail(answer.body) in ("", "Not Found")):
        return Unsupported(
            "The address in WEFT_API_URL does not offer this (HTTP 404).",
            hint="The operator has to check WEFT_API_URL.",
        )
    noun = NOUNS.get(field, "object")
    return NotFound(f"No {noun} has that id or name.", field=field, hint=LISTS.get(field))


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
    return Unsupported(
        f"The Airweave API refused the call (HTTP {answer.status}), and Weft does not know why.",
        field=field,
        hint=_CHECK_HINT,
    )


_SHOWN_MAX: Final = 5
_CHECK_HINT: Final = "Check the arguments: get_source lists the fields of a source."
_SOURCE_LIMITS: Final = ("Rate limited", "Source rate limit exceeded")
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
_BY_STATUS: Final[dict[int, Callable[[ApiAnswer, str | None], WeftError]]] = {
    400: _unsupported_error,
    401: _key_error,
    403: _key_error,
    404: _not_found_error,
    405: _unsupported_error,
    409: _conflict_error,
    413: lambda _answer, _missing: InvalidInput(
        "The arguments are too large (HTTP 413).", hint="Shorten the longest of them."
    ),
    422: _invalid_input_error,
    429: lambda answer, _missing: rate_limit_error(answer),
}
