"""Pages for people: the form for credentials, and the way to an OAuth provider and back.

The token in a link is the whole permission, so these routes need no other. The HTTP front and the
loopback listener both put the gate in front of them: it checks the Host header, and adds the
headers that every response has.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from weft.backend import AuthSessions
from weft.domain.authorizations import AuthOutcome, CredentialForm
from weft.errors import ConnectionFault, NotFound, TryLater, WeftError
from weft.web.gate.gate import Page
from weft.web.gate.limits import Rates
from weft.web.pages.form_input import parse_values, problem_by_field, read_form
from weft.web.pages.html import (
    ENTRY_PREFIX,
    POLICY,
    PROOF_FIELD,
    Mark,
    is_safe_target,
    render_form,
    render_message,
)

FORM_PATH: Final = "/authorize/{token}"
START_PATH: Final = "/source-connections/authorize/{token}"
CALLBACK_PATH: Final = "/source-connections/callback"
# Addresses of Airweave's API have the prefix; ours work with and without it.
PREFIXES: Final = ("", "/v1")

TOKEN_MAX_CHARS: Final = 256
# As long as the links are valid; after that the cookies are worthless.
COOKIE_SECONDS: Final = 600
# A person needs a handful. More means someone guessing tokens, or a program out of control.
REQUESTS_PER_MINUTE: Final = 120

_LINK_METHODS: Final = frozenset({"GET", "HEAD"})
_FORM_METHODS: Final = _LINK_METHODS | {"POST"}
_NOT_HERE: Final = (
    "This page cannot change that: ask whoever made the connection, or the assistant, to."
)

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Settings of the pages. ``base_url`` is their address for people's browsers."""

    base_url: str
    rates: Rates = field(default_factory=lambda: Rates(REQUESTS_PER_MINUTE))
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def is_secure(self) -> bool:
        """Tell whether cookies can be limited to encrypted requests."""
        return self.base_url.startswith("https://")

    @property
    def prefix(self) -> str:
        """The path prefix that a proxy strips."""
        return urlsplit(self.base_url).path.rstrip("/")


def page_routes(sessions: AuthSessions, settings: PageSettings) -> list[BaseRoute]:
    """Build the routes of the pages; they must come before routes that match any path."""
    form, start, callback = (
        _limit_rate(settings, make(sessions, settings))
        for make in (_build_form, _build_start, _build_callback)
    )
    routes: list[BaseRoute] = [_PageRoute(FORM_PATH, form, methods=_FORM_METHODS)]
    for prefix in PREFIXES:
        routes.append(_PageRoute(f"{prefix}{START_PATH}", start, methods=_LINK_METHODS))
        routes.append(_PageRoute(f"{prefix}{CALLBACK_PATH}", callback, methods=_LINK_METHODS))
    return routes


class _PageRoute(Route):
    """A route that answers 405 to other methods, rather than leave its path to the HTTP API."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), found


def page_of(path: str) -> Page | None:
    """Return the page at ``path``, or None.

    Paths of pages contain tokens, so only their templates are logged and counted.
    """
    for prefix in PREFIXES:
        if path == f"{prefix}{CALLBACK_PATH}":
            return Page(path, _LINK_METHODS)
        if _has_token(path, f"{prefix}{START_PATH}"):
            return Page(f"{prefix}{START_PATH}", _LINK_METHODS)
    return Page(FORM_PATH, _FORM_METHODS) if _has_token(path, FORM_PATH) else None


def _has_token(path: str, template: str) -> bool:
    beginning = template.removesuffix("{token}")
    token = path[len(beginning) :]
    return path.startswith(beginning) and token != "" and "/" not in token


def _limit_rate(settings: PageSettings, handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        """Refuse callers that are faster than any person."""
        wait = settings.rates.take(request.client.host if request.client else "")
        if wait:
            answer = _message_response(
                429, "bad", "Too many attempts", "Wait a minute, then open the link again."
            )
            answer.headers["retry-after"] = str(int(wait) + 1)
            return answer
        return await handler(request)

    return handle


def _build_form(sessions: AuthSessions, settings: PageSettings) -> Handler:
    async def form(request: Request) -> Response:
        """Ask for credentials, or take them."""
        token = request.path_params["token"]
        try:
            asked = await sessions.form(_check_token(token))
            if request.method != "POST":
                return _form_response(request, settings, asked)
            return await _submit(request, sessions, settings, asked)
        except NotFound:
            return _expired_response()
        except WeftError as error:
            return _message_response(error.status, "bad", "That did not work", _text_of(error))

    return form


async def _submit(
    request: Request, sessions: AuthSessions, settings: PageSettings, form: CredentialForm
) -> Response:
    try:
        sent = await read_form(request)
    except (ValueError, TimeoutError):
        return _message_response(400, "bad", "That could not be read", "Open the link again.")
    if sent is None:
        return _message_response(
            413, "bad", "That is too much", "Open the link again, and type less."
        )
    texts = {
        name: text for key, text in sent.items() if (name := key.removeprefix(ENTRY_PREFIX)) != key
    }
    if not _is_ours(request, settings, sent.get(PROOF_FIELD, "")):
        problem = "This page was open for too long, or your browser keeps no cookies."
        return _form_response(request, settings, form, 403, given=texts, problem=problem)
    values, problems = parse_values(form.fields, texts)
    if problems:
        return _form_response(request, settings, form, 422, given=texts, problems=problems)
    try:
        outcome = await sessions.submit(request.path_params["token"], values)
    except NotFound:
        raise
    except WeftError as error:
        problems = problem_by_field(error, form.fields)
        problem = None if problems else _text_of(error)
        if problem and (error.field or "").startswith("config."):
            problem = f"{problem} {_NOT_HERE}"
        status = error.status
        return _form_response(
            request, settings, form, status, given=texts, problems=problems, problem=problem
        )
    answer = _outcome_response(outcome)
    _drop_cookie(answer, settings, _form_cookie(request), "/authorize")
    return answer


def _build_start(sessions: AuthSessions, settings: PageSettings) -> Handler:
    async def start(request: Request) -> Response:
        """Send the browser to the provider, with a secret that only it gets."""
        # A preview or prefetch must not use up the link.
        if request.method == "HEAD":
            return Response(headers=_HEADERS)
        if "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", "")):
            return Response(status_code=503, headers=_HEADERS)
        try:
            begun = await sessions.start(_check_token(request.path_params["token"]))
        except NotFound:
            return _expired_response()
        except WeftError as error:
            return _message_response(error.status, "bad", "That did not work", _text_of(error))
        answer = RedirectResponse(begun.url, 303, _HEADERS)
        name = _browser_cookie(dict(parse_qsl(urlsplit(begun.url).query)))
        for prefix in PREFIXES:
            answer.set_cookie(
                name,
                begun.browser,
                max_age=COOKIE_SECONDS,
                path=f"{settings.prefix}{prefix}/source-connections",
                secure=settings.is_secure,
                httponly=True,
                samesite="lax",
            )
        return answer

    return start


def _build_callback(sessions: AuthSessions, settings: PageSettings) -> Handler:
    async def callback(request: Request) -> Response:
        """Handle the browser's return from the provider."""
        if request.method == "HEAD":
            return Response(headers=_HEADERS)
        given = request.query_params.multi_items()
        params = dict(given)
        if len(params) != len(given):
            return _message_response(
                400, "bad", "That could not be read", "The provider's answer names a thing twice."
            )
        name = _browser_cookie(params)
        try:
            outcome = await sessions.callback(params, request.cookies.get(name))
        except NotFound:
            return _expired_response()
        except WeftError as error:
            return _message_response(
                error.status,
                "bad",
                "That did not work",
                _text_of(error),
                "Ask for a new link, and try again.",
            )
        if outcome.redirect_to is not None and is_safe_target(outcome.redirect_to):
            answer: Response = RedirectResponse(outcome.redirect_to, 303, _HEADERS)
        else:
            answer = _outcome_response(outcome)
        for prefix in PREFIXES:
            _drop_cookie(answer, settings, name, f"{prefix}/source-connections")
        return answer

    return callback


def _form_response(
    request: Request,
    settings: PageSettings,
    form: CredentialForm,
    status: int = 200,
    *,
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    problem: str | None = None,
) -> Response:
    cookie = secrets.token_urlsafe(32)
    proof = _proof(settings, request.path_params["token"], cookie)
    page = render_form(form, proof, given=given, problems=problems, problem=problem)
    answer = HTMLResponse(page, status, _HEADERS)
    answer.set_cookie(
        _form_cookie(request),
        cookie,
        max_age=COOKIE_SECONDS,
        path=f"{settings.prefix}/authorize",
        secure=settings.is_secure,
        httponly=True,
        samesite="strict",
    )
    return answer


def _outcome_response(outcome: AuthOutcome) -> Response:
    if not outcome.ok:
        texts = [outcome.message, "Nothing was changed. Ask for a new link to try again."]
        return _message_response(400, "bad", "Not connected", *texts, follow=outcome.redirect_to)
    if outcome.next_url is not None:
        return _message_response(
            200, "good", "One more step", outcome.message, follow=outcome.next_url
        )
    name = f"“{outcome.connection_name}” is connected" if outcome.connection_name else "Connected"
    # Do not redirect: form-action in the policy lets a form lead to this server only.
    texts = [outcome.message]
    if outcome.redirect_to is None:
        texts.append("You can close this page and go back to where you came from.")
    return _message_response(200, "good", name, *texts, follow=outcome.redirect_to)


def _expired_response() -> Response:
    return _message_response(
        410,
        "gone",
        "This link no longer works",
        "It was used already, it has expired, or it is not complete.",
        "Ask for a new link where you got this one. Links work once and for ten minutes.",
    )


def _message_response(
    status: int, mark: Mark, title: str, *paragraphs: str, follow: str | None = None
) -> Response:
    return HTMLResponse(render_message(mark, title, paragraphs, follow=follow), status, _HEADERS)


def _check_token(token: str) -> str:
    if len(token) > TOKEN_MAX_CHARS:
        raise NotFound("No link has that token.")
    return token


def _text_of(error: WeftError) -> str:
    # Hints of other errors are written for agents that call tools.
    return str(error) if isinstance(error, ConnectionFault | TryLater) else error.message


def _is_ours(request: Request, settings: PageSettings, proof: str) -> bool:
    """Return whether the form came from the page that we served to this browser."""
    origin = request.headers.get("origin")
    # Because of our Referrer-Policy, which hides the token in the address, browsers send "null".
    if origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    cookie = request.cookies.get(_form_cookie(request), "")
    wanted = _proof(settings, request.path_params["token"], cookie)
    return bool(cookie) and hmac.compare_digest(wanted.encode(), proof.encode())


def _proof(settings: PageSettings, token: str, cookie: str) -> str:
    return hmac.new(settings.key, f"{token}\n{cookie}".encode(), hashlib.sha256).hexdigest()


def _form_cookie(request: Request) -> str:
    # Browsers share cookies between the ports of a host, so each link has a cookie of its own.
    return f"weft_form_{_short_digest(request.path_params['token'])}"


def _browser_cookie(params: Mapping[str, str]) -> str:
    """Derive the cookie's name from a value that both start and callback know."""
    # OAuth 1.0a has a request token instead of a state, and calls it `denied` in a refusal.
    known = next(
        (params[name] for name in ("state", "oauth_token", "denied") if name in params), ""
    )
    return f"weft_browser_{_short_digest(known)}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _drop_cookie(answer: Response, settings: PageSettings, name: str, path: str) -> None:
    answer.delete_cookie(name, f"{settings.prefix}{path}", secure=settings.is_secure, httponly=True)


_HEADERS: Final = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}
