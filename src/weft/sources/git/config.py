"""The fields of the `git` source, and the checks on their values."""

import hashlib
import re

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.errors import NotPermitted
from weft.net.addresses import AllowList
from weft.sources.base import ENDPOINT, SourceContext
from weft.sources.files.config import DEFAULT_MAX_FILE_BYTES, FileSize
from weft.sources.patterns import read_branch, read_folder

DEFAULT_MAX_COMMITS = 1_000
LARGEST_MAX_COMMITS = 100_000
# Part of every version and cursor: raise it when the reader improves, to read everything again.
READER = "3"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(::|://)")
_SCHEMES_SHOWN = frozenset({"ext", "fd", "file", "ftp", "ftps", "git", "git+ssh", "ssh"})
_SCP = re.compile(r"[^/\\:]{2,}:")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


class GitConfig(BaseModel):
    """The repository to read, and the parts of it that are wanted."""

    model_config = ConfigDict(extra="forbid")

    repo: str = Field(
        min_length=1,
        max_length=2048,
        description="Folder of a local repository, or its https clone URL.",
        json_schema_extra=ENDPOINT,
    )
    branch: str | None = Field(
        default=None, max_length=255, description="Branch; default: the one HEAD points to."
    )
    path: str = Field(
        default="", max_length=1024, description="Only this folder or file of the repository."
    )
    include_commits: bool = Field(default=True, description="Sync commits as well as files.")
    max_commits: int = Field(
        default=DEFAULT_MAX_COMMITS,
        ge=1,
        le=LARGEST_MAX_COMMITS,
        description="How many of the newest commits.",
    )
    max_file_size: FileSize = DEFAULT_MAX_FILE_BYTES

    @field_validator("repo")
    @classmethod
    def _check_repo(cls, value: str) -> str:
        if value.startswith("-") or _UNSEEN.search(value):
            raise ValueError("must be a folder or an https URL, not an option or control character")
        scheme = _SCHEME.match(value)
        if scheme is None:
            if _SCP.match(value):
                raise ValueError("host:path (ssh) addresses cannot be read; give the https URL")
            return value
        if scheme.group(2) == "::" or scheme.group(1).lower() not in ("https", "http"):
            raise ValueError(
                f"{_describe_scheme(scheme)} cannot be read; give the https URL or a local folder"
            )
        _check_url(value)
        return value.rstrip("/")

    @field_validator("branch")
    @classmethod
    def _check_branch(cls, value: str | None) -> str | None:
        return None if value is None else read_branch(value)

    @field_validator("path")
    @classmethod
    def _normalise_path(cls, value: str) -> str:
        if _UNSEEN.search(value):
            raise ValueError("must be a path inside the repository")
        return read_folder(value)

    @property
    def url(self) -> httpx.URL | None:
        """The URL of a remote repository; None for a local one."""
        return httpx.URL(self.repo) if _SCHEME.match(self.repo) else None

    @property
    def scope(self) -> str:
        """A short digest of everything that decides what is synced."""
        parts = [
            READER,
            self.repo,
            self.branch,
            self.path,
            self.include_commits,
            self.max_file_size,
        ]
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


class GitCredentials(BaseModel):
    """For private repositories over https."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr | None = Field(
        default=None, description="Token or password that may read the repository."
    )
    username: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f:]*$",
        description="User name for servers that want one.",
    )


def check_scheme(url: httpx.URL, context: SourceContext) -> None:
    """Refuse unencrypted http, except to hosts that the operator names. Raises NotPermitted."""
    if url.scheme == "https":
        return
    if not AllowList.parse(context.allow_hosts).permits_by_name(url.host, url.port or 80):
        raise NotPermitted(
            "Unencrypted http is only allowed to hosts that the operator names.",
            field="repo",
            hint="Give the https URL, or add the host to WEFT_ALLOW_HOSTS.",
            needs=f"may reach {url.host} over http (WEFT_ALLOW_HOSTS)",
        )


def _describe_scheme(scheme: re.Match[str]) -> str:
    name, separator = scheme.groups()
    # Text that is not a known scheme may be a secret in the wrong place: do not show it.
    known = name.lower() in _SCHEMES_SHOWN
    return f"{name}{separator} addresses" if known else "addresses of that kind"


def _check_url(value: str) -> None:
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError("is not a URL") from None
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        raise ValueError("must not hold a user name or password; use the credentials' fields")
    if not url.host or url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError("must be a clone URL, with a host and without a query")
