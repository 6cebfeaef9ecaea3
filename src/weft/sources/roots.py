"""Finds what a configured path means inside the folders that the operator allows."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.domain.text.characters import clean_line
from weft.errors import NotPermitted, SourceMisconfigured
from weft.sources.base import SourceContext
from weft.sources.secret_names import is_git_folder, is_secret_file, is_secret_folder
from weft.sources.trees import ForbiddenPaths, Parts, sort_names

ROOTS_VARIABLE = "WEFT_FILES_ROOTS"

_MAX_SHOWN_ROOTS = 5


@dataclass(frozen=True, slots=True)
class Start:
    """A place inside a root; ``parts`` is its path from the root."""

    root: Path
    parts: Parts
    is_file: bool

    @property
    def path(self) -> Path:
        """The resolved path."""
        return self.root.joinpath(*self.parts)


def pin_path(path: str, context: SourceContext) -> str:
    """Return the absolute path of what ``path`` means here, or ``path`` if it means nothing here.

    A relative path might mean another folder in a process with other roots.
    """
    try:
        given = _expand_home(path)
        candidates = (root.absolute() / given for root in context.files_roots)
        found = given if given.is_absolute() else next(filter(Path.exists, candidates), None)
    except (OSError, RuntimeError, ValueError):
        return path
    return path if found is None else str(found)


def find_start(
    path: str, context: SourceContext, *, field: str, opened: frozenset[str] = frozenset()
) -> Start:
    """Resolve a configured path and check that it may be read.

    A relative path is looked for below each root. Symbolic links are resolved before the check.
    ``opened`` names secret folders that the caller knows how to read safely.
    Raises NotPermitted or SourceMisconfigured, naming ``field``.
    """
    needs = _describe_need(path)
    if not context.files_roots:
        raise NotPermitted(
            "No folder may be read: the operator has not allowed any.",
            field=field,
            hint=f"Set {ROOTS_VARIABLE}=/path/to/folder in the server's environment and restart "
            f"it; several folders are separated by '{os.pathsep}'.",
            needs=needs,
        )
    roots = [root.resolve() for root in context.files_roots]
    target = _resolve_target(path, roots, field)
    root = max((r for r in roots if target.is_relative_to(r)), key=_depth, default=None)
    if root is None:
        raise NotPermitted(
            "The path is outside the folders that may be read.",
            field=field,
            hint=_roots_hint(roots),
            needs=needs,
        )
    parts = target.relative_to(root).parts
    guard = ForbiddenPaths(context.private_paths)
    secret = [part for part in target.parts if is_secret_folder(part) and part not in opened]
    if secret or guard.refuses(target) or (not opened and _is_in_git_folder(target)):
        raise NotPermitted("Folders with secrets or Weft's own state are never read.", field=field)
    if target.is_dir():
        return Start(root, parts, is_file=False)
    if not target.is_file():
        raise SourceMisconfigured("The path is neither a folder nor a plain file.", field=field)
    if is_secret_file(target.name, target.parent.name):
        raise NotPermitted("Files that may hold secrets are never read.", field=field)
    return Start(root, parts, is_file=True)


def _expand_home(path: str) -> Path:
    # Expand only "~": the result for `~name` would tell which accounts exist.
    given = Path(path)
    return given.expanduser() if given.parts[:1] == ("~",) else given


def _is_in_git_folder(target: Path) -> bool:
    folder = target if target.is_dir() else target.parent
    try:
        with os.scandir(folder) as entries:
            folders, files, _ = sort_names(entries)
    except OSError:
        return False  # A folder that cannot be listed cannot be read either.
    return is_git_folder(folders, files)


def _resolve_target(path: str, roots: Sequence[Path], field: str) -> Path:
    try:
        given = _expand_home(path)
        candidates = [given] if given.is_absolute() else [root / given for root in roots]
        existing = [candidate for candidate in candidates if candidate.exists()]
        if existing:
            return existing[0].resolve(strict=True)
        # Outside the roots the answer must not reveal whether a path exists.
        inside = any(c.resolve().is_relative_to(r) for c in candidates for r in roots)
    except (OSError, RuntimeError, ValueError):
        raise SourceMisconfigured("The path cannot be read.", field=field) from None
    hint = _roots_hint(roots)
    if inside:
        # A relative path may exist below the roots of another process.
        needs = None if given.is_absolute() else _describe_need(path)
        raise SourceMisconfigured("The path does not exist.", field=field, hint=hint, needs=needs)
    raise NotPermitted(
        "The path is outside the folders that may be read.",
        field=field,
        hint=hint,
        needs=_describe_need(path),
    )


def _describe_need(path: str) -> str:
    # Only the path, which the connection shows anyway: the roots are no business of other callers.
    return f"may read {clean_line(path)} ({ROOTS_VARIABLE})"


def _roots_hint(roots: Sequence[Path]) -> str:
    shown = ", ".join(str(root) for root in roots[:_MAX_SHOWN_ROOTS])
    return f"Give a path in {shown}; the operator can add folders with {ROOTS_VARIABLE}."


def _depth(path: Path) -> int:
    return len(path.parts)
