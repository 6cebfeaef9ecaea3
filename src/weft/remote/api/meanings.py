"""The meanings of the API's refusals, by phrases in their texts.

The texts that are shown are written here: of the API's own only vetted parts come through, such as
the names of sources and fields, because a foreign text may quote secrets, SQL or instructions.
"""

import re
from collections.abc import Callable
from typing import Final

from weft.domain.connections import AuthMethod
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    SourceUnavailable,
    Unsupported,
    WeftError,
)

Make = Callable[[re.Match[str]], WeftError]


class AlreadyLive(Conflict):
    """A sync is running already. Its job has to be looked up."""


class NoSync(NotFound):
    """The connection has nothing to run: Airweave created it with no schedule and no first sync."""


def find_meaning(text: str) -> WeftError | None:
    """Return our error for a text of the API; None if it is not one that we know."""
    for phrase, make in _PHRASES:
        match = phrase.search(text)
        if match:
            return make(match)
    return None


def credentials_error(_match: re.Match[str] | None = None) -> WeftError:
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


def _error_of(kind: Callable[..., WeftError], text: str, **facts: str | None) -> Make:
    return lambda _match: kind(text, **facts)


def _named_error(kind: Callable[..., WeftError], text: str, **facts: str | None) -> Make:
    """Return a maker of errors whose text has named parts of the API's in it."""

    def make(match: re.Match[str]) -> WeftError:
        parts = {name: (part or "").replace("'", "") for name, part in match.groupdict().items()}
        return kind(text.format(**parts), **facts)

    return make


def _not_found_of(field: str) -> Make:
    text = f"No {NOUNS[field]} has that id or name."
    return _error_of(NotFound, text, field=field, hint=LISTS.get(field))


_NAME: Final = r"[a-z][a-z0-9_-]{0,39}"
_METHODS: Final = frozenset(method.value for method in AuthMethod)
NOUNS: Final = {
    "connection_id": "connection",
    "readable_collection_id": "collection",
    "short_name": "source",
    "job_id": "job",
    "auth.auth_provider.provider_readable_id": "auth provider",
}
LISTS: Final = {
    "connection_id": "list_connections shows what there is.",
    "readable_collection_id": "list_collections shows what there is; create_collection makes one.",
    "short_name": "list_sources shows what there is.",
    "job_id": "list_jobs shows what there is.",
}
_SCHEDULE_HINT: Final = "The shortest interval is one hour, e.g. '0 * * * *'."
_TEXTS: Final[tuple[tuple[str, Make], ...]] = (
    (
        rf"^Invalid or revoked OAuth access token for source '(?P<source>{_NAME})'",
        _named_error(
            AuthenticationFailed,
            "The source '{source}' refused the credentials: they are wrong, expired or revoked.",
            hint="Nothing was stored. Give other credentials, or leave auth out for a page where "
            "the user enters them.",
        ),
    ),
    (
        rf"^Source (?P<source>{_NAME}) requires custom OAuth client credentials",
        _named_error(
            InvalidInput,
            "Consent in a browser for '{source}' needs an OAuth client of the user's own.",
            field="auth.oauth_browser",
            hint="Give its client_id and client_secret, or leave auth out for a page where the "
            "user enters them.",
        ),
    ),
    (
        (
            rf"does not support '(?P<provider>{_NAME})' as auth provider\. "
            rf"Supported providers: \[(?P<known>'{_NAME}'(, '{_NAME}'){{0,20}})?\]"
        ),
        _named_error(
            InvalidInput,
            "The source does not work with the auth provider '{provider}', but with: {known}.",
            field="auth.auth_provider.provider_readable_id",
            hint="Name a connection to one of these, or use another method: get_source lists them.",
        ),
    ),
    (
        (
            rf"^Credentials can only be updated for direct auth|^Source '{_NAME}' does not support "
            r"direct auth"
        ),
        _error_of(
            Unsupported,
            "The Airweave API changes direct credentials only, and this connection has none.",
            field="auth",
            hint="For consent in a browser call authorize_connection without auth; for another "
            "method create a new connection.",
        ),
    ),
    (
        r"^Failed to obtain request token",
        _error_of(
            AuthenticationFailed,
            "The provider refused the OAuth client when the authorisation began.",
            hint="Give the consumer_key of a client of the user's own; without its consumer_secret "
            "there is a page where the user enters it.",
        ),
    ),
    (
        r"^OAuth not configured for source|KeyError: 'Integration settings not found for ",
        _error_of(
            Unsupported,
            "The source has no consent in a browser at this API.",
            field="auth",
            hint="Use another method: get_source lists them.",
        ),
    ),
    (
        (
            rf"^Source '(?P<source>{_NAME})' is a federated search source"
            rf"|Cannot create sync for federated source '(?P<other>{_NAME})'"
        ),
        _error_of(
            Unsupported,
            "The source is searched live and never synced, so it has no sync and no schedule.",
            field="schedule",
            hint="Leave schedule and sync_immediately out; search finds its content at once.",
        ),
    ),
    (
        rf"^Usage limit exceeded for (?P<what>{_NAME}): (?P<used>\d{{1,9}})/(?P<most>\d{{1,9}})",
        _named_error(
            NotPermitted,
            "The plan at Airweave is used up: {used} of {most} {what}.",
            hint="Delete what is not needed; the operator can change the plan.",
        ),
    ),
    (
        rf"^Action '(?P<what>{_NAME})' is not allowed due to payment status: (?P<state>{_NAME})",
        _named_error(
            NotPermitted,
            "Airweave does not allow {what}, as the payment status is {state}.",
            hint="Only the operator can change that.",
        ),
    ),
    (
        (
            r"^This operation requires user authentication"
            r"|^API key authentication is not permitted for this operation"
        ),
        _error_of(
            NotPermitted,
            "The Airweave API lets only people do this, no API key.",
            hint="Ask the user to do it in Airweave's own interface.",
        ),
    ),
    (
        rf"^(?P<feature>{_NAME}|[A-Z_]{{1,40}}) feature not enabled for this organization",
        _error_of(
            NotPermitted,
            "The organisation at Airweave does not have this feature.",
            hint="Only the operator can change that.",
        ),
    ),
    (
        r"^(Invalid claim token|Caller identity mismatch)",
        _error_of(
            NotPermitted,
            "This key did not begin that authorisation.",
            field="connection_id",
            hint="Begin the authorisation again with authorize_connection.",
        ),
    ),
    (
        rf"^The provider for '(?P<source>{_NAME})' returned an error while validating",
        _named_error(
            SourceUnavailable,
            "The source '{source}' failed while the Airweave API checked the credentials with it.",
            hint="Nothing was stored, and nothing is wrong with the call: try it again later.",
        ),
    ),
    (
        r"FederatedSearchError: .*missing '(?P<scope>[a-z:._]{1,60})' scope",
        _named_error(
            AccessDenied,
            "A source that is searched live refused: its authorisation lacks the scope {scope}.",
            hint="Authorise that connection again with this scope; until then every search of the "
            "collection fails.",
        ),
    ),
    (
        r"FederatedSearchError",
        _error_of(
            Conflict,
            "A source of this collection that is searched live, such as Slack, is not authorised "
            "or failed, and with it every search of the collection.",
            field="readable_collection_id",
            hint="list_connections(readable_collection_id=...) shows it: authorise it, or delete "
            "it with delete_connection.",
        ),
    ),
    (
        r"^No LLM provider configured",
        _error_of(Unsupported, "This Airweave API has no language model for such a search."),
    ),
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
        _error_of(
            Conflict,
            "The connection is authorised already.",
            field="connection_id",
            hint="It needs no link: run_sync syncs it.",
        ),
    ),
    (r"OAuth session", _error_of(Conflict, "No authorisation of it is waiting.")),
    (r"^(Credential v|V)alidation failed", credentials_error),
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
