"""The configuration and the credentials of the `github` source."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.sources.patterns import read_branch, read_folder


class GitHubConfig(BaseModel):
    """The repository to read, and the parts of it that are wanted."""

    model_config = ConfigDict(extra="forbid")

    repo_name: str = Field(
        title="Repository",
        description="Repository as owner/name, e.g. octocat/hello-world.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}$",
    )
    branch: str | None = Field(
        default=None,
        title="Branch",
        description="Branch to sync; the repository's default branch if left out.",
        min_length=1,
        max_length=255,
    )
    path: str | None = Field(
        default=None,
        title="Folder",
        description="Only this folder or file, e.g. docs.",
        max_length=1000,
    )
    sync_pull_requests: bool = Field(
        default=False, title="Pull requests", description="Sync pull requests as well."
    )
    sync_issues: bool = Field(
        default=False, title="Issues", description="Sync issues with their comments as well."
    )
    sync_releases: bool = Field(
        default=False, title="Releases", description="Sync the notes of releases as well."
    )
    sync_discussions: bool = Field(
        default=False, title="Discussions", description="Sync discussions as well."
    )

    @field_validator("repo_name", mode="before")
    @classmethod
    def _strip_name(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        bare = value.strip().removeprefix("https://github.com/").rstrip("/").removesuffix(".git")
        if bare.rpartition("/")[2] in {".", ".."}:
            raise ValueError("must be owner/name")
        return bare

    @field_validator("branch")
    @classmethod
    def _check_branch(cls, value: str | None) -> str | None:
        return None if value is None else read_branch(value)

    @field_validator("path")
    @classmethod
    def _strip_path(cls, value: str | None) -> str | None:
        return read_folder(value or "") or None


class GitHubCredentials(BaseModel):
    """A personal access token."""

    model_config = ConfigDict(extra="forbid")

    personal_access_token: SecretStr = Field(
        title="Personal access token",
        description="Token with read access to the repository's contents and pull requests.",
    )

    @field_validator("personal_access_token")
    @classmethod
    def _check_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value().strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("must be a token of printable ASCII characters without spaces")
        return SecretStr(token)
