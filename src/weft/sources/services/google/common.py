"""What the services of Google have in common: consent, and their ways to say "wait" and "no"."""

from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.errors import AccessDenied, RateLimited, SourceMisconfigured, WeftError
from weft.net.retry import retry_after_seconds
from weft.sources.base import OAuth2
from weft.sources.rest.values import find, line_of, records_of

WAIT_S: Final = 20.0
DAY_WAIT_S: Final = 3600.0
_TOO_FAST: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_USED_UP: Final = frozenset({"dailyLimitExceeded", "quotaExceeded", "dailyLimitExceededUnreg"})
_SWITCHED_OFF: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_NO_SCOPE: Final = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})


class GoogleCredentials(BaseModel):
    """A token of OAuth 2, which works for an hour; consent in a browser renews it."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        title="Access token",
        description="OAuth access token. It works for an hour; consent in a browser lasts.",
    )


def google_oauth(scope: str) -> OAuth2:
    """Return Google's consent page, which gives a token that lasts only if it is asked each time.

    https://developers.google.com/identity/protocols/oauth2/web-server
    """
    return OAuth2(
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 (an address)
        scopes=(f"https://www.googleapis.com/auth/{scope}",),
        client_auth="client_secret_post",
        extra={"access_type": "offline", "prompt": "consent"},
    )


def reasons_of(response: httpx.Response, answer: object) -> frozenset[str]:
    """Return the reasons that an unsuccessful answer names; none if it is no answer of Google's."""
    if response.is_success:
        return frozenset()
    named: list[object] = []
    for path in ("error.errors", "error.details"):
        named += [find(each, "reason") for each in records_of(find(answer, path))]
    return frozenset(filter(None, map(line_of, named)))


def find_google_error(response: httpx.Response, answer: object, api: str) -> WeftError | None:
    """Return the error that an answer tells by its reason; ``api`` is the name of the interface."""
    reasons = reasons_of(response, answer)
    if reasons & _USED_UP:
        return RateLimited(f"{api}'s daily limit is used up.", retry_after=DAY_WAIT_S)
    if reasons & _TOO_FAST or response.status_code == 429:
        wait = retry_after_seconds(response, now=None)
        return RateLimited(
            f"{api}'s limit of requests a minute is used up.",
            retry_after=WAIT_S if wait is None else wait,
        )
    if reasons & _SWITCHED_OFF:
        return SourceMisconfigured(
            f"{api} is switched off in the Google Cloud project of the OAuth client.",
            hint="Switch it on in the Google Cloud console: APIs and services, Library.",
        )
    if reasons & _NO_SCOPE:
        return AccessDenied(
            f"The token lacks the scope for {api}.",
            hint="Authorise once more, and leave the box for reading ticked.",
        )
    return None
