"""The configuration and credentials of the `imap` source."""

import re
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from weft.sources.base import ENDPOINT
from weft.sources.patterns import Globs

MEGABYTE = 1024 * 1024

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")
_PORTS = {"tls": 993, "starttls": 143, "plain": 143}


class ImapConfig(BaseModel):
    """The messages to read."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(
        title="Host",
        description="The mail server's name, e.g. imap.example.org.",
        json_schema_extra=ENDPOINT,
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        title="Port",
        description="The port; without one 993, or 143 without TLS from the start.",
        json_schema_extra=ENDPOINT,
    )
    security: Literal["tls", "starttls", "plain"] = Field(
        default="tls",
        title="Security",
        description="How the connection is encrypted; plain only where the operator allows it.",
        json_schema_extra=ENDPOINT,
    )
    include: Globs = Field(
        default_factory=list,
        title="Include",
        description="Globs on folder names, e.g. INBOX or Projects/*; others are not read.",
    )
    exclude: Globs = Field(
        default_factory=list,
        title="Exclude",
        description="Globs on names of folders that are not read.",
    )
    after_date: date | None = Field(
        default=None,
        title="After date",
        description="Read messages that came on this day or later, e.g. 2026-01-31.",
    )
    max_message_size: int = Field(
        default=20 * MEGABYTE,
        ge=1024,
        le=100 * MEGABYTE,
        title="Largest message",
        description="Largest message to read, with its attachments, in bytes.",
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        value = value.strip().lower()
        if not _HOST.fullmatch(value):
            raise ValueError("must be a host name alone, such as imap.example.org")
        return value.strip("[]")

    @property
    def port_number(self) -> int:
        """The port to connect to."""
        return self.port or _PORTS[self.security]


class ImapCredentials(BaseModel):
    """What lets into the mailbox: a password or a token."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(
        min_length=1,
        max_length=320,
        title="User name",
        description="The user name, most often the mail address.",
    )
    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="The password; many providers want an app password.",
    )
    access_token: SecretStr | None = Field(
        default=None,
        title="Access token",
        description="An OAuth access token (XOAUTH2), instead of a password.",
    )

    @model_validator(mode="after")
    def _check_one(self) -> "ImapCredentials":
        if (self.password is None) == (self.access_token is None):
            raise ValueError("give either password or access_token")
        return self
