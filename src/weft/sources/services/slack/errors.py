"""Tells what Slack's errors mean, which mostly come with the status 200."""

import re
from typing import Final

import httpx

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.retry import retry_after_seconds
from weft.sources.rest.api import Missing
from weft.sources.rest.values import find, line_of

_REFUSED: Final = frozenset({
    *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"),
    *("org_login_required", "two_factor_setup_required"),
})  # fmt: skip
_DENIED: Final = frozenset({
    *("missing_scope", "not_in_channel", "access_denied", "no_permission", "restricted_action"),
    *("not_allowed_token_type", "team_access_not_granted", "ekm_access_denied"),
    "enterprise_is_restricted",
})  # fmt: skip
_GONE: Final = frozenset({"channel_not_found", "thread_not_found", "message_not_found"})
_WRONG: Final = frozenset({"invalid_cursor", "invalid_limit", "invalid_arguments"})
_CODE: Final = re.compile(r"[a-z_]{1,60}")
_SCOPES: Final = re.compile(r"[a-z_.:,]{1,200}")
_WAIT_S: Final = 30.0


def error_of(response: httpx.Response, answer: object) -> WeftError | None:
    """Return the error that an answer tells by ``ok``, which every answer of Slack has."""
    is_good = find(answer, "ok")
    if is_good is True or (is_good is None and not response.is_success):
        return None
    code = line_of(find(answer, "error"))
    if not _CODE.fullmatch(code):
        return SourceUnavailable("An answer of Slack does not have the form that is documented.")
    if code == "ratelimited":
        wait = retry_after_seconds(response, now=None)
        return RateLimited("Slack asks to wait.", retry_after=_WAIT_S if wait is None else wait)
    if code in _REFUSED:
        return AuthenticationFailed(f"Slack refused the token ({code}).")
    if code in _DENIED:
        needed = line_of(find(answer, "needed"))
        scope = f", which lacks the scope {needed}" if _SCOPES.fullmatch(needed) else ""
        return AccessDenied(
            f"Slack does not let the token read this ({code}){scope}.",
            hint="Add the scope to the app, or the app to the channel; then install it again.",
        )
    if code in _GONE:
        return Missing(f"Slack says that this is not there, or not visible ({code}).")
    if code in _WRONG:
        return SourceMisconfigured(f"Slack refused the request ({code}).")
    return SourceUnavailable(f"Slack could not answer ({code}).")
