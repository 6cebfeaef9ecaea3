"""Authorisation in a browser: the link, the callback, and the proof of who began."""

import secrets
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from weft.testing.airweave.schedules import check_new, default_cron
from weft.testing.airweave.state import Connection, Job, Refused, Session, Sync, new_id
from weft.testing.airweave.world import Airweave

APP_URL = "http://localhost:8080"
LINK_SECONDS = 300
SESSION_SECONDS = 300
BAD_CODE = "badcode"
"""The code that the provider does not exchange."""

_DIALOGS = {
    "notion": "https://api.notion.com/v1/oauth/authorize",
    "slack": "https://slack.com/oauth/v2/authorize",
    "gmail": "https://accounts.google.com/o/oauth2/auth",
}


def begin(
    world: Airweave, connection: Connection, caller: str, redirect_url: str | None
) -> Session:
    """Begin an authorisation. Sessions before this one end, but their links still lead on."""
    now = world.clock.now()
    return Session(
        short_name=connection.short_name,
        caller=caller,
        redirect_url=redirect_url or f"{APP_URL}/collections/{connection.collection}",
        link_expires=now + timedelta(seconds=LINK_SECONDS),
        expires=now + timedelta(seconds=SESSION_SECONDS),
    )


def begin_again(world: Airweave, connection: Connection, caller: str) -> str:
    """Begin again, and return the new claim token."""
    job = connection.last_job
    has_expired = job is not None and job.category is not None
    if connection.authenticated and not has_expired:
        raise Refused(400, "Connection is already authenticated")
    if world.sources[connection.short_name]["oauth_type"] is None:
        text = f"'Integration settings not found for {connection.short_name}'"
        raise Refused(500, f"Internal Server Error: KeyError: {text}")
    old = connection.session
    if old is not None:
        world.ended_sessions.append(old)
    session = begin(world, connection, caller, old.redirect_url if old else None)
    connection.session = session
    connection.modified_at = world.clock.now()
    return session.claim_token


def open_link(world: Airweave, code: str, base_url: str) -> str:
    """Return the provider's dialog. A link opens once."""
    found = [c.session for c in world.connections.values() if c.session]
    for session in (*found, *world.ended_sessions):
        if session.link_code != code:
            continue
        if session.opened or session.link_expires <= world.clock.now():
            break
        session.opened = True
        asked = {
            "response_type": "code",
            "client_id": "fake-platform-client-id",
            "redirect_uri": f"{base_url}/source-connections/callback",
            "state": session.state,
        }
        dialog = _DIALOGS.get(session.short_name, "https://provider.example/authorize")
        return f"{dialog}?{urlencode(asked)}"
    raise Refused(404, "Authorization link expired or invalid")


def take_callback(world: Airweave, state: str, code: str) -> str:
    """Take the provider's answer: the connection is authorised, and its first sync waits for the
    proof. Returns where the person goes on.
    """
    if not state or not code:
        raise Refused(
            400,
            "Invalid OAuth callback: missing required parameters. Expected either (state + code) "
            "for OAuth2 or (oauth_token + oauth_verifier) for OAuth1",
        )
    found = [c for c in world.connections.values() if c.session and c.session.state == state]
    if not found or found[0].session is None:
        raise Refused(404, "OAuth2 session not found or expired")
    connection, session = found[0], found[0].session
    if session.expires < world.clock.now():
        raise Refused(410, "OAuth session expired")
    if session.status != "pending":
        raise Refused(400, f"OAuth session already {session.status}")
    if code == BAD_CODE:
        raise Refused(400, '{"error":"invalid_grant"}')
    session.status = "in_progress"
    _authorise(world, connection)
    joint = "&" if urlsplit(session.redirect_url).query else "?"
    told = urlencode({"status": "success", "source_connection_id": connection.id})
    return f"{session.redirect_url}{joint}{told}"


def verify(world: Airweave, connection: Connection, claim_token: str, caller: str) -> None:
    """Prove who began the authorisation: only now is the first sync handed to the worker."""
    session = connection.session
    if session is None:
        raise Refused(400, "No OAuth session for this connection")
    if not secrets.compare_digest(claim_token.encode(), session.claim_token.encode()):
        raise Refused(403, "Invalid claim token")
    if session.status != "in_progress":
        raise Refused(400, f"OAuth session is {session.status}, expected in_progress")
    if caller != session.caller:
        raise Refused(403, "Caller identity mismatch")
    job = connection.last_job
    if job is not None and job.status == "pending" and job.handed_at is None:
        job.handed_at = world.clock.now()


def _authorise(world: Airweave, connection: Connection) -> None:
    now = world.clock.now()
    source = world.sources[connection.short_name]
    connection.authenticated = True
    connection.method = "oauth_byoc" if connection.own_client else "oauth_browser"
    if not connection.given_config:
        connection.config = {}
    connection.modified_at = now
    if source["federated_search"]:
        return
    if connection.sync is not None:
        connection.sync.paused = False
        return
    # A cron that was null has become the default by now; the flag for a first sync is not kept.
    cron = connection.given_cron or default_cron(source, now)
    check_new(cron, source)
    connection.sync = Sync(new_id(), cron, jobs=[Job(new_id(), queued_at=now, handed_at=None)])
