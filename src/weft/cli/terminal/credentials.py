"""Reads credentials from a hidden prompt or standard input, never from the command line."""

import sys

import click

from weft.cli.terminal.context import App, say
from weft.cli.terminal.values import CREDENTIALS_MAX_CHARS, ask_credentials, parse_object
from weft.domain.base import Json
from weft.domain.connections import Auth, AuthMethod, DirectAuth
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput, Unsupported

SECRET_MAX_CHARS = 16_384
STDIN_HINT = "Pass them as a JSON object with --credentials-stdin."


def credentials_for(app: App, source: SourceInfo, *, from_stdin: bool, ask: bool) -> Auth | None:
    """Read credentials for ``source``; None if it takes none or none were given.

    With ``ask`` the person at the terminal is asked. Raises InvalidInput when credentials are
    needed and nobody can be asked, and Unsupported when the source takes none this way.
    """
    if from_stdin:
        return _direct(source, parse_object(_read_stdin(), "credentials"))
    if not ask or not source.auth_fields:
        return None
    if not app.can_ask():
        if not source.auth_required:
            return None
        raise InvalidInput(f"'{source.name}' needs credentials.", field="auth", hint=STDIN_HINT)
    say(f"Credentials for {source.name}. What is secret is not shown as you type.")
    given = ask_credentials(source.auth_fields, _ask)
    return _direct(source, given) if given else None


def read_secret(
    app: App, label: str, field: str = "secret", max_chars: int = SECRET_MAX_CHARS
) -> str:
    """Read a secret from a hidden prompt or standard input. Raises InvalidInput without one."""
    if app.can_ask():
        asked: str = click.prompt(f"{label} (not shown as you type)", hide_input=True, err=True)
        return asked
    text = sys.stdin.read(max_chars + 1)
    if len(text) > max_chars:
        raise InvalidInput(f"The {field} is too long.", field=field)
    # The line end comes from the pipe (`echo`); it is not part of the secret.
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise InvalidInput(
            f"Standard input holds no {field}.",
            field=field,
            hint="Pipe it in, for example from a file. Never give it as an argument.",
        )
    return value


def _direct(source: SourceInfo, credentials: Json) -> Auth:
    if AuthMethod.DIRECT not in source.auth_methods or not source.auth_fields:
        raise Unsupported(f"'{source.name}' takes no credentials.", field="auth")
    return Auth(direct=DirectAuth(credentials=credentials))


def _read_stdin() -> str:
    text = sys.stdin.read(CREDENTIALS_MAX_CHARS + 1)
    if len(text) > CREDENTIALS_MAX_CHARS:
        raise InvalidInput("credentials are too long.", field="credentials")
    return text


def _ask(field: FieldInfo) -> str:
    note = "" if field.required else " (optional, Enter for none)"
    if field.description:
        say(f"{field.title}: {field.description}")
    answer: str = click.prompt(
        f"{field.title}{note}",
        default=None if field.required else "",
        show_default=False,
        hide_input=field.secret,
        err=True,
    )
    return answer
