"""Sources as the verbs of the command line see them: one with credentials, and one without."""

from typing import Any

from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo


def make_field(name: str, kind: str = "string", **more: Any) -> FieldInfo:
    """Make a field of a source, with a title and a description."""
    facts: dict[str, Any] = {"title": name.title(), "required": False, **more}
    return FieldInfo(name=name, type=kind, description=f"The {name}.", **facts)


CRM = SourceInfo(
    short_name="crm",
    name="CRM",
    description="Accounts and notes.",
    auth_methods=(AuthMethod.DIRECT,),
    auth_required=True,
    auth_fields=(make_field("api_key", required=True, secret=True), make_field("region")),
    config_fields=(
        make_field("site", required=True),
        make_field("max_items", "integer"),
        make_field("ratio", "number"),
        make_field("archived", "boolean"),
        make_field("tags", "array"),
        make_field("extra", "object"),
        make_field("pin", secret=True),
    ),
    entity_types=("account",),
)
NOTES = SourceInfo(
    short_name="notes",
    name="Notes",
    description="A folder of notes.",
    auth_methods=(AuthMethod.DIRECT,),
    auth_required=False,
    config_fields=(make_field("path", required=True),),
)
