"""The base of all answers of Weft's HTTP API, which has Airweave's JSON, and its error answers.

The models are also what the OpenAPI document promises. Fields beyond Airweave's own are marked as
Weft's; clients that know only Airweave ignore them.
"""

import uuid
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# An organisation of Weft may have any name; in this JSON it is a UUID.
_ORGANIZATIONS: Final = uuid.UUID("5a4f7a52-6d0c-5c8e-9a0b-3c1d2e4f6a7b")


def organization_uuid(organization_id: str) -> uuid.UUID:
    """Return the organisation as a UUID: its own, or one derived from its name."""
    try:
        return uuid.UUID(organization_id)
    except ValueError:
        return uuid.uuid5(_ORGANIZATIONS, organization_id)


def _empty_to_none(value: object) -> object:
    return value or None


AuthMethodName = Literal["direct", "oauth_browser", "oauth_token", "auth_provider"]
Count = Annotated[int, Field(ge=0)]
OrganizationUuid = Annotated[uuid.UUID, BeforeValidator(organization_uuid)]
EMPTY_IS_NONE: Final = BeforeValidator(_empty_to_none)


class Answer(BaseModel):
    """Base of all answers. Every field is present, also where it has a default."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_serialization_defaults_required=True
    )

    @classmethod
    def of(cls, found: BaseModel) -> Self:
        """Build the answer from the domain's object, whose attributes have the same names; a
        field that differs says in its declaration where it comes from.
        """
        return cls.model_validate(found)


class ProblemAnswer(Answer):
    """A problem with one field; never the value that was given."""

    loc: list[str | int]
    msg: str
    type: str


class ValidationAnswer(Answer):
    """The problems of a request that is not valid (422)."""

    detail: list[ProblemAnswer]


class ErrorAnswer(BaseModel):
    """The reason why a request was not served. `field` and `job_id` are there where they say
    something.
    """

    detail: str
    field: str | None = None
    job_id: uuid.UUID | None = None
