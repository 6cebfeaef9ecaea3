"""Kinds of sources as short, complete text for the model."""

import json

from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.server.render.structured import DESCRIPTION_MAX_CHARS
from weft.server.render.untrusted import one_line

_NEEDS_MAX_CHARS = 200


def source_line(source: SourceInfo) -> str:
    """Render a source as one line of a list."""
    about = one_line(source.description, DESCRIPTION_MAX_CHARS).rstrip(".")
    need = one_line(source.needs() or "nothing", _NEEDS_MAX_CHARS)
    return f"- {source.short_name}: {source.name}. {about}. Needs: {need}."


def source_text(source: SourceInfo) -> str:
    """Render a source in full, with the fields that it takes."""
    methods = ", ".join(method.value for method in source.auth_methods)
    required = "required" if source.auth_required else "optional"
    takes_any = source.auth_required or source.auth_fields
    credentials = _field_lines("credential fields, for auth.direct.credentials", source.auth_fields)
    lines = [
        f"{source.name} (short_name: {source.short_name}). {source.description}",
        f"authentication ({required}): {methods}" if takes_any else "authentication: none needed",
        *_field_lines("config fields", source.config_fields),
        *(credentials if takes_any and AuthMethod.DIRECT in source.auth_methods else ()),
        *_provider_lines(source),
    ]
    if source.federated_search:
        lines.append("sync: none, every search asks the source itself")
    else:
        lines.append(f"continuous sync: {'yes' if source.supports_continuous else 'no'}")
    if source.cursor_fields:
        lines.append(f"cursor fields: {', '.join(source.cursor_fields)}")
    if source.checked_against:
        lines.append(f"checked against: {one_line(source.checked_against, 100)}")
    if source.entity_types:
        lines.append(f"entity types: {', '.join(source.entity_types)}")
    return "\n".join(lines)


def _provider_lines(source: SourceInfo) -> list[str]:
    """Say what consent in a browser and an auth provider need, where the source tells it."""
    lines: list[str] = []
    if source.requires_byoc and source.keeps_pending:
        lines.append(
            "oauth_browser needs an OAuth client, and the operator has set none: give it client_id "
            f"and client_secret, or ask for `weft oauth-clients set {source.short_name}`"
        )
    elif source.requires_byoc:
        lines.append(
            "oauth_browser needs an OAuth client of the user's own: without auth there is a page "
            "where the user enters it"
        )
    if source.supported_auth_providers and AuthMethod.AUTH_PROVIDER in source.auth_methods:
        ids = ", ".join(one_line(each, 100) for each in source.provider_readable_ids)
        known = f"; provider_readable_id is one of: {ids}" if ids else ""
        lines.append(f"auth providers: {', '.join(source.supported_auth_providers)}{known}")
    return lines


def _field_lines(heading: str, fields: tuple[FieldInfo, ...]) -> list[str]:
    if not fields:
        return [f"{heading}: none"]
    return [f"{heading}:", *(f"- {_field_text(field)}" for field in fields)]


def _field_text(field: FieldInfo) -> str:
    kind = f"{field.type} of {field.items_type}s" if field.items_type else field.type
    notes = [kind, "required" if field.required else "optional"]
    if field.secret:
        notes.append("secret")
    if field.choices:
        notes.append(f"one of {', '.join(field.choices)}")
    if field.default is not None:
        notes.append(f"default {json.dumps(field.default, ensure_ascii=False)}")
    return f"{field.name} ({', '.join(notes)}): {field.description or field.title}"
