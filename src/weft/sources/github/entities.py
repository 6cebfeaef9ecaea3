"""Entities of the `github` source, and which files of a repository are worth a download."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from weft.document.read import is_document, read
from weft.document.suffixes import BINARY_SUFFIXES
from weft.document.text import clean_text, language_of
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.sources.github.answers import TreeFile, list_of, object_of

FILE_BYTES_MAX = 1024 * 1024
DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
LFS_MARK = b"version https://git-lfs.github.com/spec/"


def why_not_read(file: TreeFile) -> str | None:
    """Return the reason not to download what a tree holds, or None."""
    size_max = DOCUMENT_BYTES_MAX if is_document(file.path) else FILE_BYTES_MAX
    if file.size > size_max:
        return f"larger than {size_max:,} bytes"
    if PurePosixPath(file.path).suffix.lower() in BINARY_SUFFIXES:
        return file.oddity or "not a text file"
    return file.oddity


async def read_file_entity(
    entity_id: str, repo_name: str, path: str, content: bytes
) -> Entity | None:
    """Return a file's entity without URL and version, or None if it is in Git LFS.

    Raises Unreadable and SourceUnavailable as `weft.document.read.read`.
    """
    if content.startswith(LFS_MARK):
        return None
    document = await read(path, content)
    metadata: Json = {**document.facts, "path": clean_line(path), "size": len(content)}
    if language := language_of(path):
        metadata["language"] = language
    folders = clean_line(path).split("/")[:-1]
    return Entity(
        id=entity_id,
        type="file",
        title=document.title,
        text=document.text,
        metadata=metadata,
        breadcrumbs=(repo_name, *folders),
    )


def repository_entity(entity_id: str, repository: dict[str, Any]) -> Entity:
    """Return an entity for the repository itself, with its description and topics as text."""
    name = line_of(repository.get("full_name")) or entity_id
    topics = [clean_line(str(topic)) for topic in list_of(repository.get("topics"))]
    lines = [text_of(repository.get("description")) or "", " ".join(topics)]
    return Entity(
        id=entity_id,
        type="repository",
        title=name,
        text=clean_text("\n".join(line for line in lines if line)),
        url=text_of(repository.get("html_url")),
        updated_at=moment(repository.get("pushed_at")),
        metadata={
            "default_branch": line_of(repository.get("default_branch")),
            "language": line_of(repository.get("language")),
            "private": bool(repository.get("private")),
            "archived": bool(repository.get("archived")),
            "topics": [*topics],
        },
        breadcrumbs=(name.partition("/")[0],),
    )


def pull_request_entity(
    entity_id: str, repo_name: str, number: int, item: dict[str, Any]
) -> Entity:
    """Return a pull request's entity, made from its item in GitHub's list."""
    labels = [object_of(label).get("name") for label in list_of(item.get("labels"))]
    metadata: Json = {
        "number": number,
        "state": "merged" if item.get("merged_at") else line_of(item.get("state")),
        "draft": bool(item.get("draft")),
        "author": line_of(object_of(item.get("user")).get("login")),
        "labels": [clean_line(name) for name in labels if isinstance(name, str)],
        "created_at": line_of(item.get("created_at")),
    }
    return Entity(
        id=entity_id,
        type="pull_request",
        title=clean_line(f"#{number} {text_of(item.get('title')) or ''}"),
        text=clean_text(text_of(item.get("body")) or ""),
        url=text_of(item.get("html_url")),
        updated_at=moment(item.get("updated_at")),
        metadata=metadata,
        breadcrumbs=(repo_name, "pull requests"),
    )


def text_of(value: object) -> str | None:
    """Return the value if it is a string, else None."""
    return value if isinstance(value, str) else None


def line_of(value: object) -> str | None:
    """Return the value on one line without hidden characters if it is a string, else None."""
    return clean_line(value) if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """Parse an ISO 8601 time; None if the value is not one."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
