"""The bodies and queries that the API takes, refused in its own words.

The models have the names and validators of Airweave's, because its answers quote them.
"""

import re
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from weft.testing.airweave.state import Json, Refused

ModelT = TypeVar("ModelT", bound=BaseModel)


class DirectAuthentication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    credentials: dict[str, Any]

    @model_validator(mode="after")
    def validate_credentials(self) -> "DirectAuthentication":
        if not self.credentials:
            raise ValueError("Credentials cannot be empty")
        return self


class OAuthTokenAuthentication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    access_token: str
    refresh_token: str | None = None
    expires_at: datetime | None = None

    @field_validator("access_token")
    @classmethod
    def access_token_not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("access_token cannot be empty or whitespace only")
        return value

    @model_validator(mode="after")
    def validate_token(self) -> "OAuthTokenAuthentication":
        if self.expires_at and self.expires_at < datetime.now(UTC):
            raise ValueError("Token has already expired")
        return self


class OAuthBrowserAuthentication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    redirect_uri: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    consumer_key: str | None = None
    consumer_secret: str | None = None

    @model_validator(mode="after")
    def validate_byoc_credentials(self) -> "OAuthBrowserAuthentication":
        if bool(self.client_id) != bool(self.client_secret):
            raise ValueError("OAuth2 BYOC requires both client_id and client_secret or neither")
        if bool(self.consumer_key) != bool(self.consumer_secret):
            raise ValueError(
                "OAuth1 BYOC requires both consumer_key and consumer_secret or neither"
            )
        if self.client_id and self.consumer_key:
            raise ValueError(
                "Cannot provide both OAuth2 (client_id/client_secret) and "
                "OAuth1 (consumer_key/consumer_secret) credentials"
            )
        return self


class AuthProviderAuthentication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    provider_readable_id: str
    provider_config: dict[str, Any] | None = None


AnyAuthentication = (
    DirectAuthentication
    | OAuthTokenAuthentication
    | OAuthBrowserAuthentication
    | AuthProviderAuthentication
)


class ScheduleConfig(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    cron: str | None = None
    continuous: bool | None = None
    cursor_field: str | None = None


class CreateBody(BaseModel):
    name: str | None = Field(None, min_length=4, max_length=42)
    short_name: str
    readable_collection_id: str
    description: str | None = Field(None, max_length=255)
    config: dict[str, Any] | None = None
    schedule: ScheduleConfig | None = None
    sync_immediately: bool | None = None
    authentication: AnyAuthentication | None = None
    redirect_url: str | None = None


class UpdateBody(BaseModel):
    name: str | None = Field(None, min_length=4, max_length=42)
    description: str | None = Field(None, max_length=255)
    config: dict[str, Any] | None = None
    schedule: ScheduleConfig | None = None
    authentication: AnyAuthentication | None = None

    @model_validator(mode="after")
    def validate_minimal_change(self) -> "UpdateBody":
        if not self.model_fields_set:
            raise ValueError("At least one field must be provided for update")
        if self.authentication and not isinstance(self.authentication, DirectAuthentication):
            raise ValueError("Direct auth can only be updated with authentication")
        return self


class CollectionBody(BaseModel):
    name: str = Field(min_length=4, max_length=64)
    readable_id: str | None = Field(None, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")


class CollectionUpdate(BaseModel):
    name: str | None = Field(None, min_length=4, max_length=64)


class ClaimBody(BaseModel):
    claim_token: str


class ReinitiateBody(BaseModel):
    redirect_url: str | None = None


class ProviderBody(BaseModel):
    name: str
    short_name: str
    readable_id: str | None = None
    auth_fields: dict[str, Any] = Field(default_factory=dict[str, Any])


class ListQuery(BaseModel):
    collection: str | None = None
    skip: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=1000)


class CollectionsQuery(BaseModel):
    search: str = ""
    skip: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=1000)


class JobsQuery(BaseModel):
    limit: int = Field(100, ge=1, le=1000)


class RunQuery(BaseModel):
    force_full_sync: bool = False


class StubConfig(BaseModel):
    entity_count: int = Field(10, ge=1)
    seed: int = 42
    generation_delay_ms: int = 0
    small_entity_weight: int = 30
    medium_entity_weight: int = 30
    large_entity_weight: int = 10
    small_file_weight: int = 15
    large_file_weight: int = 5
    code_file_weight: int = 10
    inject_special_tokens: bool = False
    custom_content_prefix: str | None = None
    fail_after: int = -1


class GitHubConfig(BaseModel):
    repo_name: str = Field(pattern=r"^[a-zA-Z0-9_-]+/[a-zA-Z0-9_.-]+$")
    branch: str = ""
    sync_pull_requests: bool = False


class GmailConfig(BaseModel):
    after_date: str | None = None
    included_labels: list[str] = Field(default_factory=lambda: ["inbox", "sent"])
    excluded_labels: list[str] = Field(default_factory=lambda: ["spam", "trash"])
    excluded_categories: list[str] = Field(default_factory=lambda: ["promotions", "social"])
    gmail_query: str | None = None


class SalesforceConfig(BaseModel):
    instance_url: str | None = None
    api_version: str = "58.0"


class StubAuth(BaseModel):
    stub_key: str = ""


class GitHubAuth(BaseModel):
    personal_access_token: str = Field(min_length=4)

    @field_validator("personal_access_token")
    @classmethod
    def validate_token(cls, value: str) -> str:
        if not re.fullmatch(r"(ghp_|github_pat_|gho_).*|[0-9a-fA-F]{40}", value):
            raise ValueError(
                "Invalid token format. Expected format: "
                "ghp_... or github_pat_... or gho_... or 40-character hex"
            )
        return value


class StripeAuth(BaseModel):
    api_key: str = Field(min_length=20)


class ComposioConfig(BaseModel):
    auth_config_id: str
    account_id: str


class PipedreamConfig(BaseModel):
    project_id: str
    account_id: str


CONFIGS: dict[str, type[BaseModel]] = {
    "stub": StubConfig,
    "github": GitHubConfig,
    "gmail": GmailConfig,
    "salesforce": SalesforceConfig,
}
CREDENTIALS: dict[str, type[BaseModel]] = {
    "stub": StubAuth,
    "github": GitHubAuth,
    "stripe": StripeAuth,
}
PROVIDER_CONFIGS: dict[str, type[BaseModel]] = {
    "composio": ComposioConfig,
    "pipedream": PipedreamConfig,
}
_UUIDS = TypeAdapter(UUID)


def read_part(model: type[ModelT], value: object, where: str) -> ModelT:
    """Read a part of a request, or refuse it as FastAPI does."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _request_refusal(error, where) from None


def read_id(value: str, name: str) -> str:
    """Read an id in the path."""
    try:
        return str(_UUIDS.validate_python(value))
    except ValidationError as error:
        raise _request_refusal(error, f"path.{name}") from None


def read_fields(models: dict[str, type[BaseModel]], name: str, value: Json, kind: str) -> Json:
    """Read the fields of a source or provider; what it does not know is dropped."""
    model = models.get(name)
    if model is None:
        return value
    try:
        return model.model_validate(value).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if kind == "auth provider config":
            said = f"Invalid configuration for {model.__name__}:\nField '{place}': {first['msg']}"
            raise Refused(422, f"Invalid {kind}: {said}") from None
        raise Refused(422, f"Invalid {kind} fields: {place}: {first['msg']}") from None


def _request_refusal(error: ValidationError, where: str) -> Refused:
    problems = [{".".join([where, *map(str, item["loc"])]): item["msg"]} for item in error.errors()]
    return Refused(422, {"errors": problems})
