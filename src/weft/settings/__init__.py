"""Settings: the environment first, then `config.toml` in WEFT_HOME, then defaults.

They are the operator's decisions: no tool call ever changes one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
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
from weft.net.urls import validate_api_url
from weft.settings.faults import ENV_PREFIX, TOKEN_MIN_CHARS, invalid_setting, refuse_unknown
from weft.settings.rules import (
    check_api_key,
    check_embeddings_key,
    check_embeddings_model,
    check_organization,
    validate_embeddings_url,
)
from weft.settings.values import (
    AbsolutePath,
    Host,
    Hosts,
    SecretMapping,
    ShortName,
    Url,
    make_absolute,
    make_lower,
    split_parts,
)

__all__ = ["SecretMapping", "Settings", "default_home", "load_settings", "origins"]

CONFIG_FILE_NAME = "config.toml"
DATABASE_FILE_NAME = "weft.db"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]
InlinePolicy = Literal["allow", "warn", "deny"]
Toolset = Literal["sources", "connections", "jobs", "collections", "search"]


def default_home() -> Path:
    """Return the platform's folder for user data."""
    return Path(platformdirs.user_data_path("weft", appauthor=False))


class Settings(BaseSettings):
    """All settings; each is the environment variable WEFT_ + its name in capitals."""

    # Launchers pass a field that a person left empty as an empty variable.
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: AbsolutePath = Field(
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
    allow_hosts: Annotated[Hosts, AfterValidator(make_lower)] = Field(
        default=frozenset(), description="Private hosts that sources may reach, comma-separated."
    )
    github_api_url: Url = Field(
        default="https://api.github.com", description="API base, for GitHub Enterprise."
    )
    source_urls: Annotated[dict[ShortName, Url], NoDecode] = Field(
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
    master_key_file: AbsolutePath | None = Field(
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
    http_host: Host = Field(default="127.0.0.1", description="Address that `serve --http` binds.")
    http_port: int = Field(default=8765, ge=0, le=65535, description="Its port; 0 for any.")
    token: SecretStr | None = Field(
        default=None,
        min_length=TOKEN_MIN_CHARS,
        description="Bearer token for HTTP; without it one is generated into a file.",
    )
    http_allowed_hosts: Hosts = Field(
        default=frozenset(),
        description="Host headers to answer, comma-separated, beside those of a loopback address.",
    )
    http_allowed_origins: Hosts = Field(
        default=frozenset(),
        description="Origin headers to answer, comma-separated, beside loopback's.",
    )
    http_tls_cert: AbsolutePath | None = Field(
        default=None, description="TLS certificate chain (PEM)."
    )
    http_tls_key: AbsolutePath | None = Field(default=None, description="Its private key (PEM).")
    http_trusted_proxies: Hosts = Field(
        default=frozenset(),
        description="Addresses of proxies that end TLS, comma-separated; their X-Forwarded "
        "headers are believed.",
    )
    http_public_url: Url | None = Field(
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
    oauth_issuer: Url | None = Field(
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

    embeddings: bool = Field(
        default=True,
        description="Embed what is stored, in a process beside the syncs, to find it by meaning.",
    )
    embeddings_url: Annotated[str, AfterValidator(validate_embeddings_url)] | None = Field(
        default=None,
        description="OpenAI-compatible API for `weft collections embed NAME --by endpoint`; the "
        "texts go there: `http://localhost:11434/v1`.",
    )
    embeddings_model: str | None = Field(
        default=None, validate_default=True, max_length=200, description="The model to ask it for."
    )
    embeddings_key: SecretStr | None = Field(default=None, description="The key for it, if any.")
    embeddings_key_file: AbsolutePath | None = Field(
        default=None, description="File that holds that key."
    )
    embeddings_dimensions: int | None = Field(
        default=None,
        ge=64,
        le=8192,
        description="Keep the first dimensions only, of models that are made for it (Matryoshka).",
    )
    embeddings_query_prefix: str | None = Field(
        default=None,
        max_length=500,
        description="Text that its model wants before a query; of models that Weft knows, theirs.",
    )
    embeddings_passage_prefix: str | None = Field(
        default=None, max_length=500, description="Text that it wants before what is searched."
    )

    embeddings_folder: AbsolutePath | None = Field(
        default=None,
        description="Folder of a model (`model.onnx`, `tokenizer.json`) for `weft collections "
        "embed NAME --by folder` (extra `onnx`).",
    )
    rerank: str | None = Field(
        default=None,
        description="Order the best hits anew by `minilm` (extra `rerank`), or by the model in "
        "this folder (extra `onnx`).",
    )

    @field_validator("embeddings_model", mode="after")
    @classmethod
    def _model_with_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        return check_embeddings_model(value, info.data)

    @field_validator("embeddings_key", "embeddings_key_file", mode="after")
    @classmethod
    def _key_with_embeddings_url(cls, value: Any, info: ValidationInfo) -> Any:
        return check_embeddings_key(value, info.data)

    @field_validator("api_key", mode="after")
    @classmethod
    def _key_with_address(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return check_api_key(value, info.data)

    @field_validator("api_organization", mode="after")
    @classmethod
    def _organization_with_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        return check_organization(value, info.data)

    @field_validator("files_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        parts = split_parts(value, os.pathsep)
        return value if parts is None else tuple(make_absolute(Path(p)) for p in parts)

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
        parts = split_parts(value, ",")
        return value if parts is None else frozenset(part.strip() for part in parts)

    @field_validator("source_urls", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        pairs = [part.partition("=") for part in split_parts(value, ",") or ()]
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
        home = make_absolute(Path(os.environ.get("WEFT_HOME") or default_home()))
    except ValueError as error:
        raise InvalidInput(f"WEFT_HOME is not valid: {error}.", field="WEFT_HOME") from None
    return home / CONFIG_FILE_NAME


def _refuse_non_file(path: Path) -> Path:
    # pydantic-settings would silently skip anything that is not a file.
    if os.path.lexists(path) and not path.is_file():
        raise ValueError("it is not a file")
    return path
