"""Settings: the environment first, then `config.toml` in WEFT_HOME, then defaults.

They are the operator's decisions: no tool call ever changes one.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from weft.errors import InvalidInput
from weft.net.urls import refuse_user, refuse_users, validate_api_url, validate_url
from weft.settings.faults import ENV_PREFIX, TOKEN_MIN_CHARS, invalid_setting, refuse_unknown

CONFIG_FILE_NAME = "config.toml"
DATABASE_FILE_NAME = "weft.db"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]
InlinePolicy = Literal["allow", "warn", "deny"]
Toolset = Literal["sources", "connections", "jobs", "collections", "search"]


def _lower(hosts: frozenset[str]) -> frozenset[str]:
    return frozenset(host.lower() for host in hosts)


def _absolute_path(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("it begins with a user who has no home here") from None


_Hosts = Annotated[frozenset[str], NoDecode, AfterValidator(refuse_users)]
_AbsolutePath = Annotated[Path, AfterValidator(_absolute_path)]
_Host = Annotated[str, AfterValidator(refuse_user)]
_Url = Annotated[str, AfterValidator(validate_url)]
_ShortName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]

_PRINTABLE = re.compile(r"[!-~]{1,1000}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def default_home() -> Path:
    """Return the platform's folder for user data."""
    return Path(platformdirs.user_data_path("weft", appauthor=False))


class SecretMapping(BaseModel):
    """A table `[secrets.NAME]` in config.toml: the place of a secret, and where it may be sent.

    ``sources`` are short names; ``hosts`` are hosts, reached over HTTPS, or origins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(default=None, min_length=1)
    file: Path | None = None
    sources: tuple[str, ...] = Field(min_length=1)
    hosts: tuple[str, ...] = Field(min_length=1)
    organization: str = "local"

    @model_validator(mode="after")
    def _one_place(self) -> "SecretMapping":
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret needs either env or file")
        return self


class Settings(BaseSettings):
    """All settings; each is the environment variable WEFT_ + its name in capitals."""

    # Launchers pass a field that a person left empty as an empty variable.
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: _AbsolutePath = Field(
        default_factory=default_home, description="Folder of the database, keys and config.toml."
    )
    api_url: Annotated[str, AfterValidator(validate_api_url)] | None = Field(
        default=None,
        description="Serve this Airweave API (or another Weft's) instead of the local engine.",
    )
    api_key: SecretStr | None = Field(
        default=None, validate_default=True, description="The key for it."
    )
    api_organization: str | None = Field(
        default=None, description="Id of the organisation there, if the key is good for several."
    )
    files_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="Folders that `files` and `git` may read, separated like PATH."
    )
    allow_hosts: Annotated[_Hosts, AfterValidator(_lower)] = Field(
        default=frozenset(), description="Private hosts that sources may reach, comma-separated."
    )
    github_api_url: _Url = Field(
        default="https://api.github.com", description="API base, for GitHub Enterprise."
    )
    source_urls: Annotated[dict[_ShortName, _Url], NoDecode] = Field(
        default={},
        description="APIs of services on hosts of your own or behind a gateway, comma-separated:"
        " `jira=https://jira.example.org`.",
    )
    sync_concurrency: int = Field(
        default=2, ge=1, le=64, description="Syncs that run at once in one process."
    )
    syncs_per_host: int = Field(
        default=2, ge=1, le=64, description="Syncs that run at once against one host."
    )
    sync_retries: int = Field(
        default=3, ge=0, le=20, description="Further attempts when a source is unavailable."
    )
    lease_seconds: float = Field(
        default=30, ge=1, le=600, description="Silence after which a sync is taken over."
    )
    keep_jobs: int = Field(
        default=100, ge=1, le=100_000, description="Ended jobs kept for each connection."
    )
    keep_changes: int = Field(
        default=5_000,
        ge=0,
        le=1_000_000,
        description="Names of inserted, updated, deleted, skipped and failed entities kept for "
        "each connection, a fifth of them for each of these in one sync. The newest syncs' names "
        "are kept; counts are kept of all.",
    )
    deletion_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of a connection's entities that one sync may delete by itself. "
        "Deletions of more wait until somebody agrees, and so do those that would leave nothing.",
    )
    deletion_floor: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="Fewer deletions than these do not wait, unless they would leave nothing.",
    )
    master_key_file: _AbsolutePath | None = Field(
        default=None,
        description="File of the key that protects stored credentials; without it, one in the "
        "folder `keys` of WEFT_HOME.",
    )
    keyring: bool = Field(
        default=False, description="Keep that key in the system's keyring (extra `keyring`)."
    )
    master_key: SecretStr | None = Field(
        default=None, description="That key itself: 32 bytes in base64; during a rotation NEW,OLD."
    )
    inline_credentials: InlinePolicy | None = Field(
        default=None,
        description="Whether secrets may come through the model: `allow`, `warn` or `deny`; the "
        "default is `warn` over stdio and `deny` over HTTP.",
    )
    audit_days: int = Field(
        default=365, ge=1, le=36_500, description="Days for which the audit is kept."
    )
    undo_hours: float = Field(
        default=72,
        ge=0,
        le=87_600,
        description="Hours for which a deleted connection or collection can be restored; 0: none.",
    )
    secrets: dict[str, SecretMapping] = Field(
        default_factory=dict[str, SecretMapping],
        description="Named secrets in environment variables or files; tables of config.toml.",
    )
    log_level: LogLevel = Field(default="WARNING", description="What goes to stderr.")
    log_format: LogFormat = Field(default="text", description="`text`, or `json` for JSON lines.")
    read_only: bool = Field(default=False, description="Offer only tools that change nothing.")
    no_delete: bool = Field(default=False, description="Offer no tools that delete.")
    toolsets: Annotated[frozenset[Toolset], NoDecode] = Field(
        default=frozenset(),
        description="Offer only these families of tools, comma-separated: sources, connections, "
        "jobs, collections, search.",
    )
    http_host: _Host = Field(default="127.0.0.1", description="Address that `serve --http` binds.")
    http_port: int = Field(default=8765, ge=0, le=65535, description="Its port; 0 for any.")
    token: SecretStr | None = Field(
        default=None,
        min_length=TOKEN_MIN_CHARS,
        description="Bearer token for HTTP; without it one is generated into a file.",
    )
    http_allowed_hosts: _Hosts = Field(
        default=frozenset(),
        description="Host headers to answer, comma-separated, beside those of a loopback address.",
    )
    http_allowed_origins: _Hosts = Field(
        default=frozenset(),
        description="Origin headers to answer, comma-separated, beside loopback's.",
    )
    http_tls_cert: _AbsolutePath | None = Field(
        default=None, description="TLS certificate chain (PEM)."
    )
    http_tls_key: _AbsolutePath | None = Field(default=None, description="Its private key (PEM).")
    http_trusted_proxies: _Hosts = Field(
        default=frozenset(),
        description="Addresses of proxies that end TLS, comma-separated; their X-Forwarded "
        "headers are believed.",
    )
    http_public_url: _Url | None = Field(
        default=None, description="URL of `/mcp` as clients see it; OAuth and links name it."
    )
    callback_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of 127.0.0.1 for links that people open when Weft runs on stdio or as a "
        "command, to register with an OAuth provider; 0 for any.",
    )
    http_max_requests: int = Field(
        default=200, ge=1, le=10_000, description="Requests served at once; more get 503."
    )
    http_max_streams: int = Field(
        default=1000, ge=1, le=10_000, description="Event streams open at once; more get 503."
    )
    http_requests_per_minute: int = Field(
        default=6000, ge=1, le=10_000_000, description="For each principal; more get 429."
    )
    oauth_issuer: _Url | None = Field(
        default=None, description="Accept access tokens of this OAuth issuer."
    )
    oauth_audience: str | None = Field(
        default=None, description="The audience that they must be for."
    )
    oauth_organization_claim: str = Field(
        default="org_id",
        description="Claim that names the organisation; without it everyone is one of their own.",
    )
    oauth_scopes: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), description="Scopes that they must have, comma-separated."
    )

    @field_validator("api_key", mode="after")
    @classmethod
    def _key_with_address(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        address = info.data.get("api_url")
        if value is None and address is not None:
            raise ValueError("WEFT_API_URL needs it, and it is not set")
        if value is not None and "api_url" in info.data and address is None:
            raise ValueError("it is set without WEFT_API_URL")
        if value is not None and not _PRINTABLE.fullmatch(value.get_secret_value()):
            raise ValueError("it has spaces or characters that no header can carry")
        return value

    @field_validator("api_organization", mode="after")
    @classmethod
    def _organization_with_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "api_url" in info.data and info.data["api_url"] is None:
            raise ValueError("it is set without WEFT_API_URL")
        if value is not None and not _UUID.fullmatch(value):
            raise ValueError("it is not a UUID")
        return value

    @field_validator("files_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        parts = _parts(value, os.pathsep)
        return value if parts is None else tuple(_absolute_path(Path(p)) for p in parts)

    @field_validator(
        "toolsets",
        "allow_hosts",
        "http_allowed_hosts",
        "http_allowed_origins",
        "http_trusted_proxies",
        "oauth_scopes",
        mode="before",
    )
    @classmethod
    def _split_words(cls, value: object) -> object:
        parts = _parts(value, ",")
        return value if parts is None else frozenset(part.strip() for part in parts)

    @field_validator("source_urls", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        pairs = [part.partition("=") for part in _parts(value, ",") or ()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError("each part must be source=address")
        return {name.strip(): url.strip() for name, _, url in pairs} if pairs else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @property
    def database_path(self) -> Path:
        """Return the path of the embedded database."""
        return self.home / DATABASE_FILE_NAME

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, _refuse_non_file(_config_path()))
        return (init_settings, env_settings, toml)


def load_settings(**overrides: Any) -> Settings:
    """Read all settings; ``overrides`` (from the command line) win.

    Raises InvalidInput naming the variable at fault, and for a misspelt one the nearest right one.
    """
    refuse_unknown(os.environ, _known())
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise invalid_setting(error, _known(), _config_path(), overrides) from None
    except SettingsError:
        # Only the tables of secrets are JSON in the environment.
        raise InvalidInput("WEFT_SECRETS is not valid JSON.", field="WEFT_SECRETS") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"{_config_path()} cannot be read: {why}.", field="config") from None


def origins(settings: Settings) -> Mapping[str, str]:
    """Map each setting to the origin of its value: "environment", "config.toml" or "default"."""
    from_env = {n for n in Settings.model_fields if os.environ.get(f"{ENV_PREFIX}{n}".upper())}
    return {
        name: "environment"
        if name in from_env
        else (CONFIG_FILE_NAME if name in settings.model_fields_set else "default")
        for name in Settings.model_fields
    }


def _known() -> list[str]:
    return list(Settings.model_fields)


def _config_path() -> Path:
    try:
        home = _absolute_path(Path(os.environ.get("WEFT_HOME") or default_home()))
    except ValueError as error:
        raise InvalidInput(f"WEFT_HOME is not valid: {error}.", field="WEFT_HOME") from None
    return home / CONFIG_FILE_NAME


def _refuse_non_file(path: Path) -> Path:
    # pydantic-settings would silently skip anything that is not a file.
    if os.path.lexists(path) and not path.is_file():
        raise ValueError("it is not a file")
    return path


def _parts(value: object, separator: str) -> list[str] | None:
    if isinstance(value, str):
        return [part for part in value.split(separator) if part.strip()]
    if isinstance(value, Collection) and not isinstance(value, Mapping):
        parts = cast("Collection[object]", value)
        is_text = all(isinstance(part, str | Path) for part in parts)
        return [str(part) for part in parts] if is_text else None
    return None
