"""Turns every failure of an HTTP request into one WeftError that is safe to show.

Messages name the host and the status, never a URL's path or query, a header or a body: those may
hold tokens, and what a stranger's server writes must not reach a model as if Weft had said it.
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.json_bodies import parse_json
from weft.net.retry import TRANSIENT_STATUSES, retry_after_seconds


class ResponseTooLarge(SourceUnavailable):
    """The body is larger than the limit; a source may skip the thing it asked for."""


def map_error(error: Exception, host: str) -> WeftError:
    """Return our error for one that httpx, ssl or the operating system raised at ``host``."""
    if isinstance(error, httpx.HTTPStatusError):
        return status_error(error.response, what=host)
    if _has_cause(error, ssl.SSLError):
        return SourceUnavailable(
            f"No secure connection to {host}: its certificate or TLS version is not accepted."
        )
    if _has_cause(error, socket.gaierror, UnicodeError):
        return SourceUnavailable(
            f"The host name {host} cannot be resolved.", hint="Check its spelling and the network."
        )
    for kinds, make, text in _TABLE:
        if isinstance(error, kinds):
            hint = _RIGHT_ADDRESS if isinstance(error, httpx.ConnectError) else None
            return make(text.format(host=host), hint=hint)
    return SourceUnavailable(f"The request to {host} failed.")


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a moment later."""
    if _has_cause(error, ssl.SSLCertVerificationError, UnicodeError):
        return False
    gai = [e for e in _chain(error) if isinstance(e, socket.gaierror)]
    if gai:
        return gai[0].errno == socket.EAI_AGAIN
    return isinstance(
        error,
        httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError | httpx.ProxyError,
    )


def status_error(response: httpx.Response, what: str) -> WeftError:
    """Return our error for an unsuccessful answer; ``what`` names the thing that was asked for.

    401 AuthenticationFailed, 403 AccessDenied, 429 RateLimited, 404 and other 4xx
    SourceMisconfigured, anything else SourceUnavailable.
    """
    status = response.status_code
    if status == 401:
        return AuthenticationFailed(f"The source refused the credentials for {what} (HTTP 401).")
    if status == 403:
        return AccessDenied(f"Access to {what} is denied (HTTP 403).")
    if status == 429:
        return RateLimited(
            f"Too many requests for {what} (HTTP 429).",
            retry_after=retry_after_seconds(response, now=None),
        )
    if status in {404, 410}:
        return SourceMisconfigured(f"{what} does not exist or is not visible (HTTP {status}).")
    if response.is_client_error and status not in TRANSIENT_STATUSES:
        return SourceMisconfigured(f"The source refused the request for {what} (HTTP {status}).")
    return SourceUnavailable(f"The source could not deliver {what} (HTTP {status}).")


def raise_for_status(response: httpx.Response, what: str) -> None:
    """Raise `status_error` unless the status is 2xx."""
    if not response.is_success:
        raise status_error(response, what)


def json_of(response: httpx.Response, what: str) -> Any:
    """Return the decoded body of a successful answer.

    Raises as `raise_for_status`, and SourceUnavailable for a body that is not JSON.
    """
    raise_for_status(response, what)
    return decode_json(response.content, what)


def decode_json(content: bytes, what: str) -> Any:
    """Decode a body. Raises SourceUnavailable if it is not JSON; ``what`` names it."""
    try:
        return parse_json(content)
    except ValueError:
        raise SourceUnavailable(f"The source's answer for {what} is not valid JSON.") from None


_RIGHT_ADDRESS = "Check that host and port are right; if they are, try again later."

# The first row that fits counts, so special exceptions come before their bases.
_TABLE: tuple[tuple[tuple[type[Exception], ...], type[WeftError], str], ...] = (
    (
        (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError),
        SourceMisconfigured,
        "The address for {host} is not a valid http or https URL.",
    ),
    ((httpx.TimeoutException, TimeoutError), SourceUnavailable, "{host} did not answer in time."),
    ((httpx.TooManyRedirects,), SourceUnavailable, "{host} redirects too many times."),
    (
        (httpx.RemoteProtocolError, httpx.DecodingError),
        SourceUnavailable,
        "{host} sent a broken answer.",
    ),
    (
        (httpx.ConnectError,),
        SourceUnavailable,
        "No connection to {host}: it is refused, or nothing is there.",
    ),
    (
        (httpx.NetworkError, httpx.ProxyError, OSError),
        SourceUnavailable,
        "The connection to {host} broke.",
    ),
)


def _has_cause(error: BaseException, *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
