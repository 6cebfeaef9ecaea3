"""Replaces references to named secrets by their values, only where the operator allowed it.

The model passes a name; the operator decides which sources may use it and which origins may
receive it. The value is read when needed; only OAuth tokens and clients are then stored, sealed,
with their connection, because a provider renews them.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import JsonValue

from weft.domain.access.secrets import SECRET_NAME_PATTERN, SECRET_REF
from weft.domain.base import Json
from weft.domain.sources import SourceInfo
from weft.errors import AuthenticationFailed, InvalidInput, NotFound, NotPermitted
from weft.local.engine import Engine, MappedSecret
from weft.net.urls import is_loopback

VALUE_MAX_CHARS: Final = 1 << 20
_FIELD = "auth.direct.credentials"
_PORTS = {"https": 443, "http": 80, "postgresql": 5432, "mysql": 3306}
_ORIGIN = re.compile(rf"({'|'.join(_PORTS)})://[^/@\s?#]+")


async def resolve_secret_refs(
    engine: Engine,
    organization_id: str,
    source: SourceInfo,
    receivers: Sequence[str],
    credentials: Json,
) -> Json:
    """Replace references in ``credentials`` by values that all ``receivers`` may have.

    ``{"secret_ref": NAME}`` stands for one field, or for all of them if the source needs only one.
    Raises InvalidInput, NotFound or NotPermitted, whose texts repeat no given value.
    """

    async def value(reference: Mapping[str, JsonValue]) -> str:
        name = parse_ref(reference)
        return await read_secret(engine, organization_id, name, source.short_name, receivers)

    if SECRET_REF in credentials:
        return {_only_field(source): await value(credentials)}
    resolved: Json = {}
    for field, given in credentials.items():
        if isinstance(given, dict) and SECRET_REF in given:
            resolved[field] = await value(given)
        else:
            resolved[field] = given
    return resolved


async def read_secret(
    engine: Engine, organization_id: str, name: str, short_name: str, receivers: Sequence[str]
) -> str:
    """Read the value of a secret for one source and those who receive it.

    Raises NotFound for an unknown name, NotPermitted where it may not go.
    """
    mapped = engine.mapped_secrets.get(organization_id, {}).get(name)
    if mapped is not None:
        if not _may_go(mapped.sources, mapped.hosts, short_name, receivers):
            raise await _record_refusal(engine, organization_id, name)
        return await _read(mapped)
    row = await engine.store.secrets.get(organization_id, name)
    if row is None:
        raise unknown_secret()
    if not _may_go(row.sources, row.hosts, short_name, receivers):
        raise await _record_refusal(engine, organization_id, name)
    # Sealing binds the value to its sources and hosts, so an edited row does not open.
    bound_to = allowance(row.sources, row.hosts)
    opened = await engine.unseal(organization_id, secret_owner(name), bound_to, row.sealed)
    return str(opened["value"])


def parse_ref(reference: Mapping[str, JsonValue]) -> str:
    """Return the name in a reference. Raises InvalidInput for anything but a plain name."""
    name = reference[SECRET_REF]
    if len(reference) > 1 or not isinstance(name, str) or not _is_name(name):
        raise InvalidInput(
            "secret_ref must be the name of a secret, and alone.",
            field=_FIELD,
            hint='For example {"secret_ref": "github-main"}. Only the operator can refer to '
            "environment variables or files, in config.toml.",
        )
    return name


def check_name(name: str) -> None:
    """Refuse a name that no secret may have: InvalidInput."""
    if not _is_name(name):
        raise InvalidInput(
            "name is not a valid name of a secret.",
            field="name",
            hint="Use up to 64 letters, digits, dots, hyphens and underscores.",
        )


def parse_origins(hosts: Sequence[str]) -> tuple[str, ...]:
    """Parse hosts into origins: `host[:port]` means HTTPS; an origin names its scheme.

    The source of a database sees to it that no secret goes unencrypted to a host that the operator
    did not name in WEFT_ALLOW_HOSTS.

    Raises InvalidInput when there is none, one is malformed, or one would send a secret
    unencrypted to another machine.
    """
    if not hosts:
        raise InvalidInput(
            "A secret needs a host that may receive it.",
            field="host",
            hint="For example --host api.github.com.",
        )
    return tuple(sorted({_origin(host) for host in hosts}))


def is_among(endpoint: str, origins: Sequence[str]) -> bool:
    """Tell whether an endpoint is one of the origins that `parse_origins` returned."""
    try:
        return _origin(endpoint) in origins
    except InvalidInput:
        return False  # No network, or unencrypted to another machine.


def _origin(host: str) -> str:
    text = host.strip().lower().rstrip("/")
    text = text if "://" in text else f"https://{text}"
    bad = InvalidInput(
        "host is not a host or an origin.",
        field="host",
        hint="For example api.github.com, git.example.com:8443 or https://git.example.com.",
    )
    if not _ORIGIN.fullmatch(text):
        raise bad
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise bad from None
    if not parts.hostname or "*" in parts.hostname:
        raise bad
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidInput(
            "A secret goes over HTTPS, except to this machine itself.",
            field="host",
            hint="Give the host without http://.",
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = port is None or port == _PORTS[parts.scheme]
    return f"{parts.scheme}://{name}" if default else f"{parts.scheme}://{name}:{port}"


def _may_go(
    sources: Sequence[str], origins: Sequence[str], short_name: str, receivers: Sequence[str]
) -> bool:
    return short_name in sources and all(is_among(each, origins) for each in receivers)


async def _record_refusal(engine: Engine, organization_id: str, name: str) -> NotPermitted:
    # The operator should see that somebody tried to send the secret elsewhere.
    await engine.refusals.record(
        engine.store.audit, organization_id, "secret", name, "not for this source and endpoint"
    )
    return NotPermitted(
        "That secret is not for this source and endpoint.",
        field=_FIELD,
        hint="The operator decides where it may go: `weft secret list` shows it, "
        "`weft secret set NAME --source ... --host ...` changes it.",
    )


def _is_name(name: str) -> bool:
    return re.fullmatch(SECRET_NAME_PATTERN, name) is not None


def name_in(value: JsonValue) -> str | None:
    """Return the name in a reference, or None if ``value`` is not one."""
    name = value.get(SECRET_REF) if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _only_field(source: SourceInfo) -> str:
    fields = source.auth_fields
    required = [field.name for field in fields if field.required]
    secret = [field.name for field in fields if field.secret]
    for names in (required, secret):
        if len(names) == 1:
            return names[0]
    raise InvalidInput(
        f"'{source.short_name}' takes more than one field, or none.",
        field=_FIELD,
        hint='Refer for each field: {"FIELD": {"secret_ref": NAME}}.',
    )


def secret_owner(name: str) -> str:
    """Return the vault's owner for a secret, whose data key seals the value."""
    return f"secret:{name}"


def allowance(sources: Sequence[str], origins: Sequence[str]) -> str:
    """Describe where a value may go, as the text that sealing binds it to."""
    return f"{','.join(sources)} {','.join(origins)}"


async def _read(mapped: MappedSecret) -> str:
    if mapped.env is not None:
        value = os.environ.get(mapped.env, "")
    else:
        value = await anyio.to_thread.run_sync(_read_file, cast("Path", mapped.file))
    if not value:
        raise AuthenticationFailed(
            "The operator's place for that secret is empty or cannot be read.",
            hint="Look at its entry in config.toml.",
            needs="finds the value of its secret (config.toml)",
        )
    return value


def _read_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(VALUE_MAX_CHARS).strip()
    except (OSError, ValueError):
        return ""


def unknown_secret() -> NotFound:
    """Return the error for a name that is not known here."""
    # Do not list the known names: they may tell more than the caller should know.
    return NotFound(
        "No secret has that name here.",
        field=_FIELD,
        hint="The operator makes them: `weft secret set NAME --source ... --host ...`.",
        needs="knows its secret (config.toml, or `weft secret set`)",
    )
