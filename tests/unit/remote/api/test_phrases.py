"""Refusals that the API can make, and no story shows, are told with a field and a next step."""

import pytest

from weft.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.remote.api.refusals import ApiAnswer, build_error

OWN_CLIENT = "Provide custom OAuth credentials (BYOC) or configure platform credentials."
ACCOUNT = "auth.auth_provider.provider_readable_id"
KEY = "auth.direct.credentials.api_key"
INVALID_ACCOUNT = "Invalid auth provider config: Invalid configuration for PipedreamConfig:\n"

# A status and the API's text, to the error, its field, and words of the text or the next step.
REFUSALS: dict[tuple[int, str], tuple[type[WeftError], str | None, str]] = {
    (400, f"No client_id available for notion. {OWN_CLIENT}"): (
        InvalidInput,
        "auth.oauth_browser",
        "Give the client_id",
    ),
    (400, f"Missing consumer_key, consumer_secret for OAuth1 source: trello. {OWN_CLIENT}"): (
        InvalidInput,
        "auth.oauth_browser",
        "consumer_key",
    ),
    (400, "Missing consumer_secret for OAuth1 source: trello"): (
        InvalidInput,
        "auth.oauth_browser",
        "consumer_key",
    ),
    (422, "Custom OAuth requires both client_id and client_secret or neither"): (
        InvalidInput,
        "auth.oauth_browser",
        "both",
    ),
    (400, "Direct authentication requires credentials"): (InvalidInput, "auth", "get_source"),
    (400, "Source notion is not configured for OAuth2"): (Unsupported, "auth", "another method"),
    (404, "Settings not found for source: notion"): (Unsupported, "auth", "another method"),
    (400, "Invalid response from OAuth1 provider"): (AuthenticationFailed, "auth", "consumer_key"),
    (400, "Failed to create source 'github': boom"): (AuthenticationFailed, "auth", "get_source"),
    (500, "Unexpected error while validating credentials."): (
        SourceUnavailable,
        None,
        "Nothing was stored",
    ),
    (429, "Rate limited \N{EM DASH} retry after 3.0s"): (RateLimited, None, "not the Airweave API"),
    (403, "The 'Access' feature requires the 'acl' feature to be enabled for your organization."): (
        NotPermitted,
        None,
        "does not have this feature",
    ),
    (400, "Organization context required (X-Organization-ID header missing)"): (
        NotPermitted,
        None,
        "WEFT_API_ORGANIZATION",
    ),
    (403, "API key does not have access to organization 5f6e"): (
        NotPermitted,
        None,
        "WEFT_API_ORGANIZATION",
    ),
    (500, "Internal Server Error: ValueError: badly formed hexadecimal UUID string"): (
        NotPermitted,
        None,
        "WEFT_API_ORGANIZATION",
    ),
    (409, "Cannot trigger sync: sync is paused"): (Conflict, None, "authorize_connection"),
    (400, "OAuth session is pending, expected in_progress"): (
        Conflict,
        "connection_id",
        "open the link",
    ),
    (400, "No OAuth session for this connection"): (
        Conflict,
        "connection_id",
        "authorize_connection",
    ),
    (404, "Integration credential not found"): (Conflict, "connection_id", "new connection"),
    (404, "Collection 'docs' not found"): (NotFound, "readable_collection_id", "list_collections"),
    (404, "Auth provider 'composio' not found"): (NotFound, ACCOUNT, "get_source"),
    (413, "Request body too large. Maximum size is 10.00MB"): (InvalidInput, None, "Shorten"),
    (422, "Invalid input"): (InvalidInput, None, "get_source"),
    (422, "Invalid auth fields: api_key: Field required; host: Value error, Host is required"): (
        InvalidInput,
        KEY,
        f"{KEY}: Field required; auth.direct.credentials.host: Host is required",
    ),
    (422, "Invalid auth fields: ?: Value error, Either 'url' or 'subdomain' must be provided"): (
        InvalidInput,
        "auth.direct.credentials",
        "Either 'url' or 'subdomain'",
    ),
    (422, "Template config fields missing or empty: instance_url. These must be provided"): (
        InvalidInput,
        "config.instance_url",
        "Field required",
    ),
    (422, f"{INVALID_ACCOUNT}Field 'project_id': Field required\nField 'account_id': s3cret"): (
        InvalidInput,
        "auth.auth_provider.provider_config.project_id",
        "provider_config.account_id: the API does not accept it",
    ),
    (422, f"{INVALID_ACCOUNT}Field '': Value error, both or neither of them"): (
        InvalidInput,
        "auth.auth_provider.provider_config",
        "get_source",
    ),
}


@pytest.mark.parametrize(("status", "detail"), REFUSALS)
def test_refusal_says_what_is_wrong_and_what_to_do(status: int, detail: str) -> None:
    kind, field, word = REFUSALS[status, detail]
    error = build_error(ApiAnswer(status, {"detail": detail}), missing="job_id")
    assert isinstance(error, kind)
    assert error.field == field
    assert word in str(error)
    assert error.hint
