"""The meanings of the API's refusals, by phrases in their texts.

The texts that are shown are written here: of the API's own only vetted parts come through, such as
the names of sources and fields, because a foreign text may quote secrets, SQL or instructions.
"""

import re
from typing import Final

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotPermitted,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.api.meanings import (
    NAME,
    AlreadyLive,
    Make,
    NoSync,
    credentials_error,
    error_of,
    method_error,
    named_error,
    not_found_of,
)


def find_meaning(text: str) -> WeftError | None:
    """Return our error for a text of the API; None if it is not one that we know."""
    for phrase, make in _PHRASES:
        match = phrase.search(text)
        if match:
            return make(match)
    return None


_SCHEDULE_HINT: Final = "The shortest interval is one hour, e.g. '0 * * * *'."
_TEXTS: Final[tuple[tuple[str, Make], ...]] = (
    (
        rf"^Invalid or revoked OAuth access token for source '(?P<source>{NAME})'",
        named_error(
            AuthenticationFailed,
            "The source '{source}' refused the credentials: they are wrong, expired or revoked.",
            hint="Nothing was stored. Give other credentials, or leave auth out for a page where "
            "the user enters them.",
        ),
    ),
    (
        rf"^Source (?P<source>{NAME}) requires custom OAuth client credentials",
        named_error(
            InvalidInput,
            "Consent in a browser for '{source}' needs an OAuth client of the user's own.",
            field="auth.oauth_browser",
            hint="Give its client_id and client_secret, or leave auth out for a page where the "
            "user enters them.",
        ),
    ),
    (
        (
            rf"^No client_id available for (?P<source>{NAME})\."
            rf"|^Missing \w[\w, ]{{1,60}} for (OAuth1 source: )?(?P<other>{NAME})(\.|$)"
        ),
        error_of(
            InvalidInput,
            "The Airweave API has no OAuth client of its own for this source.",
            field="auth.oauth_browser",
            hint="Give the client_id, or consumer_key, of a client of the user's own; without its "
            "secret there is a page where the user enters it.",
        ),
    ),
    (
        r"^Custom OAuth requires both client_id and client_secret",
        error_of(
            InvalidInput,
            "An OAuth client needs both client_id and client_secret.",
            field="auth.oauth_browser",
            hint="Give both, or leave the secret out for a page where the user enters it.",
        ),
    ),
    (
        (
            r"^(Direct|OAuth token|Auth provider) authentication requires "
            r"|^OAuth browser authentication expected|^Invalid authentication configuration"
        ),
        error_of(
            InvalidInput,
            "auth is not complete for its method.",
            field="auth",
            hint="Give auth in one of the forms that get_source lists.",
        ),
    ),
    (
        (
            rf"does not support '(?P<provider>{NAME})' as auth provider\. "
            rf"Supported providers: \[(?P<known>'{NAME}'(, '{NAME}'){{0,20}})?\]"
        ),
        named_error(
            InvalidInput,
            "The source does not work with the auth provider '{provider}', but with: {known}.",
            field="auth.auth_provider.provider_readable_id",
            hint="Name a connection to one of these, or use another method: get_source lists them.",
        ),
    ),
    (
        (
            rf"^Credentials can only be updated for direct auth|^Source '{NAME}' does not support "
            r"direct auth"
        ),
        error_of(
            Unsupported,
            "The Airweave API changes direct credentials only, and this connection has none.",
            field="auth",
            hint="For consent in a browser call authorize_connection without auth; for another "
            "method create a new connection.",
        ),
    ),
    (
        r"^Integration credential not ",
        error_of(
            Conflict,
            "The Airweave API keeps no credentials for this connection.",
            field="connection_id",
            hint="Create a new connection in its place.",
        ),
    ),
    (
        r"^Failed to obtain request token|^Invalid response from OAuth1 provider",
        error_of(
            AuthenticationFailed,
            "The provider refused the OAuth client when the authorisation began.",
            hint="Give the consumer_key of a client of the user's own; without its consumer_secret "
            "there is a page where the user enters it.",
        ),
    ),
    (
        (
            r"^OAuth not configured for source|^Settings not found for source"
            rf"|^(Source )?{NAME} is not (configured for|an) OAuth[12]"
            r"|KeyError: 'Integration settings not found for "
        ),
        error_of(
            Unsupported,
            "The source has no consent in a browser at this API.",
            field="auth",
            hint="Use another method: get_source lists them.",
        ),
    ),
    (
        (
            rf"^Source '(?P<source>{NAME})' is a federated search source"
            rf"|Cannot create sync for federated source '(?P<other>{NAME})'"
        ),
        error_of(
            Unsupported,
            "The source is searched live and never synced, so it has no sync and no schedule.",
            field="schedule",
            hint="Leave schedule and sync_immediately out; search finds its content at once.",
        ),
    ),
    (
        rf"^Usage limit exceeded for (?P<what>{NAME}): (?P<used>\d{{1,9}})/(?P<most>\d{{1,9}})",
        named_error(
            NotPermitted,
            "The plan at Airweave is used up: {used} of {most} {what}.",
            hint="Delete what is not needed; the operator can change the plan.",
        ),
    ),
    (
        rf"^Action '(?P<what>{NAME})' is not allowed due to payment status: (?P<state>{NAME})",
        named_error(
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
        error_of(
            NotPermitted,
            "The Airweave API lets only people do this, no API key.",
            hint="Ask the user to do it in Airweave's own interface.",
        ),
    ),
    (
        (
            rf"^({NAME}|[A-Z_]{{1,40}}) feature not enabled for this organization"
            r"|^The '.{1,100}' feature requires the '.{1,60}' feature to be enabled for your org"
        ),
        error_of(
            NotPermitted,
            "The organisation at Airweave does not have this feature.",
            hint="Only the operator can change that.",
        ),
    ),
    (
        r"^(Invalid claim token|Caller identity mismatch)",
        error_of(
            NotPermitted,
            "This key did not begin that authorisation.",
            field="connection_id",
            hint="Begin the authorisation again with authorize_connection.",
        ),
    ),
    (
        r"^Unexpected error while validating credentials",
        error_of(
            SourceUnavailable,
            "The Airweave API failed while it checked the credentials.",
            hint="Nothing was stored, and nothing is wrong with the call: try it again later.",
        ),
    ),
    (
        rf"^The provider for '(?P<source>{NAME})' returned an error while validating",
        named_error(
            SourceUnavailable,
            "The source '{source}' failed while the Airweave API checked the credentials with it.",
            hint="Nothing was stored, and nothing is wrong with the call: try it again later.",
        ),
    ),
    (
        r"FederatedSearchError: .*missing '(?P<scope>[a-z:._]{1,60})' scope",
        named_error(
            AccessDenied,
            "A source that is searched live refused: its authorisation lacks the scope {scope}.",
            hint="Authorise that connection again with this scope; until then every search of the "
            "collection fails.",
        ),
    ),
    (
        r"FederatedSearchError",
        error_of(
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
        error_of(Unsupported, "This Airweave API has no language model for such a search."),
    ),
    (
        r"^Cannot start new sync: a sync job is already ",
        error_of(AlreadyLive, "A sync of this connection is running already."),
    ),
    (
        r"^Cannot trigger sync: sync is (?i:(SyncStatus\.)?PAUSED)",
        error_of(
            Conflict,
            "The syncs of this connection are paused.",
            hint="It most likely needs authorize_connection, or has to be resumed at Airweave.",
        ),
    ),
    (r"^Cannot cancel job in \w+ state", error_of(Conflict, "The job cannot be cancelled.")),
    (
        r"^No sync found for this source connection",
        error_of(NoSync, "The connection has nothing to run.", field="connection_id"),
    ),
    (
        r"^Collection with readable_id '.*' already exists",
        error_of(Conflict, "The readable_id is taken.", field="readable_id"),
    ),
    (
        r"does not support this authentication method\. Supported methods: (?P<methods>.*)",
        method_error,
    ),
    (
        r"does not support continuous syncs\.",
        error_of(
            InvalidInput,
            "The source does not sync that often.",
            field="schedule",
            hint=_SCHEDULE_HINT,
        ),
    ),
    (
        r"^Invalid CRON expression",
        error_of(InvalidInput, "schedule.cron is not valid.", field="schedule.cron"),
    ),
    (
        r"^OAuth connections cannot use sync_immediately",
        error_of(
            InvalidInput,
            "sync_immediately cannot be true before the connection is authorised.",
            field="sync_immediately",
        ),
    ),
    (
        r"^Connection is already authenticated",
        error_of(
            Conflict,
            "The connection is authorised already.",
            field="connection_id",
            hint="It needs no link: run_sync syncs it.",
        ),
    ),
    (
        r"OAuth session is pending",
        error_of(
            Conflict,
            "The user has not come back from the provider yet.",
            field="connection_id",
            hint="Ask the user to open the link; authorize_connection makes a new one.",
        ),
    ),
    (
        r"OAuth session",
        error_of(
            Conflict,
            "No authorisation of it is waiting.",
            field="connection_id",
            hint="authorize_connection begins one.",
        ),
    ),
    (r"^(Credential v|V)alidation failed|^Failed to create source '", credentials_error),
    (
        (
            r"^Organization with ID |^Organization [0-9a-f-]{36} not found"
            r"|does not have access to organization |^Organization context required"
            r"|badly formed hexadecimal UUID string"
        ),
        error_of(
            NotPermitted,
            "WEFT_API_ORGANIZATION does not name an organisation that the key may act for.",
            hint="Only the operator can change that.",
        ),
    ),
    (
        r"^Auth provider .*not found",
        not_found_of("auth.auth_provider.provider_readable_id"),
    ),
    (r"^Sync job not found", not_found_of("job_id")),
    (r"^Source ?[Cc]onnection not found", not_found_of("connection_id")),
    (r"^Collection ('.*' )?not found", not_found_of("readable_collection_id")),
    (r"^Source ('.*' not found|not found)", not_found_of("short_name")),
)
_PHRASES: Final = tuple((re.compile(phrase), make) for phrase, make in _TEXTS)
