"""Arguments that several tools take, with the descriptions that their schemas show."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from weft.backend import LIST_LIMIT_MAX
from weft.server.tools.follow import WAIT_SECONDS_MAX
from weft.server.tools.schema import BRIEF

_REFERENCE_MAX_CHARS = 300
_CURSOR_MAX_CHARS = 8000


def _bare(text: str) -> str:
    """Strip the blanks and quotes that models copy along with a name."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`":
        bare = bare[1:-1].strip()
    return bare or text


def _lower(text: str) -> str:
    # Short names are lower-case, but models write product names such as GitHub.
    return _bare(text).lower()


_Text = Annotated[str, Field(min_length=1, max_length=_REFERENCE_MAX_CHARS)]
_Bare = Annotated[_Text, AfterValidator(_bare)]
_Lower = Annotated[_Text, AfterValidator(_lower)]
_FilterText = Annotated[str, Field(max_length=_REFERENCE_MAX_CHARS)]

ConnectionRef = Annotated[_Bare, Field(description="Id, id prefix or name.")]
JobRef = Annotated[_Bare, Field(description="Id or prefix.")]
CollectionRef = Annotated[_Bare, Field(description="See list_collections.")]
ShortName = Annotated[_Lower, Field(description="See list_sources.")]
FilterRef = Annotated[_FilterText, AfterValidator(_bare)] | None
FilterName = Annotated[_FilterText, AfterValidator(_lower)] | None
Cursor = Annotated[str | None, Field(max_length=_CURSOR_MAX_CHARS)]
Limit = Annotated[int, Field(ge=1, le=LIST_LIMIT_MAX)]
WaitSeconds = Annotated[int, Field(ge=0, le=WAIT_SECONDS_MAX)]
ConfirmationToken = Annotated[FilterRef, Field(description="From the preview.")]


def _auth_schema(schema: dict[str, Any]) -> None:
    # Only the names of the four methods: their contents are validated and explained when wrong.
    schema.pop("additionalProperties", None)
    schema.pop("anyOf", None)
    schema["type"] = "object"
    schema["properties"] = {
        name: {"type": "object"}
        for name in ("direct", "oauth_browser", "oauth_token", "auth_provider")
    }
    schema.update(BRIEF)


OptionalAuth = Annotated[
    dict[str, Any] | None,
    Field(
        description="One of {direct: {credentials: {…}}}, {oauth_browser: {client_id?}}, "
        "{oauth_token: {access_token?}}, {auth_provider: {provider_readable_id}}. "
        "{secret_ref: NAME} stands for a credential that the operator stored.",
        json_schema_extra=_auth_schema,
    ),
]
LaterAuth = Annotated[
    dict[str, Any] | None,
    Field(description="As in create_connection.", json_schema_extra=_auth_schema),
]
