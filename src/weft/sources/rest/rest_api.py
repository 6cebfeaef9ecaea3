"""`rest_api`: any service with a REST API, by a table that its user writes."""

import json
from collections.abc import Sequence
from typing import cast

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.domain.entities import Entity
from weft.errors import SourceMisconfigured
from weft.net.addresses import AllowList
from weft.sources.base import ENDPOINT, MULTILINE, SourceContext
from weft.sources.rest.definition import Definition, read_definition
from weft.sources.rest.review import review
from weft.sources.rest.source import RestSource, types_of
from weft.sources.rest.table import Auth, NoAuth, Stream


class RestApiConfig(BaseModel):
    """The table of the service."""

    model_config = ConfigDict(extra="forbid")

    definition: str = Field(
        title="Definition",
        description="YAML or JSON with the service's base_url, auth and streams;"
        " docs/sources/rest_api.md explains it.",
        json_schema_extra={**ENDPOINT, **MULTILINE},
    )

    @field_validator("definition", mode="before")
    @classmethod
    def _read(cls, value: object) -> str:
        read_definition(value)
        return value if isinstance(value, str) else json.dumps(value)


class RestApiCredentials(BaseModel):
    """What the definition's ``auth`` names."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr | None = Field(default=None, description="API key or access token.")
    username: str | None = Field(default=None, description="User of Basic authentication.")
    password: SecretStr | None = Field(default=None, description="Password of that user.")


class RestApiSource(RestSource[RestApiConfig, RestApiCredentials]):
    """A service that its user describes."""

    short_name = "rest_api"
    name = "REST API"
    description = "Any service with a JSON API over HTTP: you describe its lists of records."
    Config = RestApiConfig
    Credentials = RestApiCredentials
    entity_types = ("record",)
    supports_continuous = True
    cursor_fields = ("updated",)
    labels = ("api", "custom")

    def __init__(
        self, config: RestApiConfig, credentials: RestApiCredentials, context: SourceContext
    ) -> None:
        super().__init__(config, credentials, context)
        found = read_definition(config.definition)
        self.definition = found
        # What is an attribute of the class for other services is one of the instance here.
        vars(self).update(headers=found.headers, budget=found.budget, check_request=found.check)

    @classmethod
    def find_base_url(cls, config: BaseModel) -> str:
        """Return the address that the definition names."""
        return _read(config).base_url

    @classmethod
    def list_types(cls, config: BaseModel) -> tuple[str, ...]:
        """Return the names of the streams."""
        return types_of(_read(config).streams)

    def table(self) -> tuple[Stream, ...]:
        """Return the streams of the definition."""
        return self.definition.streams

    def find_auth(self) -> Auth:
        """Return what the definition says."""
        return self.definition.auth

    def review(self, entities: Sequence[Entity]) -> list[str]:
        """Say what seems wrong with the definition, after a look at the first entities."""
        return review(self.table(), entities, self.api.largest)

    def _authenticate(self) -> tuple[dict[str, str], httpx.Auth | None]:
        given = sorted(self.credentials.model_dump(exclude_none=True))
        if given and isinstance(self.definition.auth, NoAuth):
            raise SourceMisconfigured(
                f"The definition has no auth, so the credential '{given[0]}' would not be used.",
                field="config.definition",
                hint="Add auth to it, or leave the credentials out.",
            )
        headers, auth = super()._authenticate()
        url = httpx.URL(self.api_url(self.config, self.context.options))
        allowed = AllowList.parse(self.context.allow_hosts)
        is_open = url.scheme == "http" and not allowed.permits_by_name(url.host, url.port or 80)
        if is_open and (headers or auth):
            raise SourceMisconfigured(
                "Credentials are sent over HTTPS only.",
                field="definition.base_url",
                hint="Give an https address, or ask the operator to allow this host.",
            )
        return headers, auth


def _read(config: BaseModel) -> Definition:
    return read_definition(cast("RestApiConfig", config).definition)
