"""Patterns in any usual spelling mean what was meant, or are refused with the form to write."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from weft.errors import InvalidInput
from weft.sources.base import AnySource
from weft.sources.files.source import FilesSource
from weft.sources.git.source import GitSource
from weft.sources.github.source import GitHubSource
from weft.sources.patterns import EXPANDED_MAX
from weft.sources.web.source import WebSource
from weft.testing.source_contract import offline_context

ROOT = "/srv/notes"
SITE = "https://example.org/start"


def read(source: type[AnySource], pattern: str, field: str = "include") -> object:
    """What is stored of a pattern."""
    where = {"path": ROOT} if source is FilesSource else {"url": SITE}
    config = source.Config.model_validate({**where, field: [pattern]})
    return source.pin(config, offline_context()).get(field, [pattern])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        *(("*.md", ["*.md"]), ("docs", ["docs"]), ("docs/", ["docs/"]), ("**", ["**"])),
        ("*", ["*"]),
        ("./**/*.md", ["**/*.md"]),
        ("./docs/*.md", ["docs/*.md"]),
        ("./*.md", ["/*.md"]),
        (".//./a", ["/a"]),
        ("/docs/*.md", ["/docs/*.md"]),
        (f"{ROOT}/docs/*.md", ["docs/*.md"]),
        (f"{ROOT}/*.md", ["/*.md"]),
        (f"{ROOT}/srv/notes/x", ["srv/notes/x"]),
        (f"file://{ROOT}/my%20docs/*.md", ["my docs/*.md"]),
        ("*.{md,txt}", ["*.md", "*.txt"]),
        ("{a,{b,c}}", ["a", "b", "c"]),
        (f"{{{ROOT}/a,./b}}", ["/a", "/b"]),
        *(("{a", ["{a"]), ("{a}", ["{a}"]), ("a}", ["a}"]), ("{a{b,c}", ["{ab", "{ac"])),
        (r"\{a,b\}", [r"\{a,b\}"]),
        *(("[", ["["]), ("[a", ["[a"]), (r"a\*b", None), (r"\#a", [r"\#a"])),
        ("!docs/*.md", None),
        (" *.md", ["*.md"]),
        (".github", [".github"]),
        ("README", ["README"]),
    ],
)
def test_pattern_of_files_is_read_as_meant(given: str, stored: list[str] | None) -> None:
    if stored is None:
        with pytest.raises(InvalidInput):
            read(FilesSource, given)
    else:
        assert read(FilesSource, given) == stored


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        *(("md", "*.md"), (".md", "*.md"), ("PDF", "*.pdf"), (".rst", "**/.rst")),
        *(("", "Leave it out"), ("  ", "Leave it out"), ("# all", "\\#")),
        *(("/", "Leave it out"), (".", "Leave it out"), ("./", "Leave it out")),
        *((ROOT, "Leave it out"), (f"{ROOT}/", "Leave it out")),
        *(("../x", "docs/**"), ("a/../b", "docs/**"), (f"{ROOT}/../x", "docs/**")),
        *(("~/elsewhere/*.md", "docs/**"), ("C:\\notes\\*.md", "docs/**")),
        *(("docs\\*.md", "Write /"), ("docs\\a.md", "Write /"), ("\\", "Write /")),
        ("https://example.org/docs/*", "docs/**"),
        ("{a,b}" * 40, "fewer"),
        ("{" * 2_000 + "a,b" + "}" * 2_000 + "{a,b}" * 8, "fewer"),
        ("{a,}", "Leave it out"),
    ],
)
@pytest.mark.parametrize("field", ["include", "exclude"])
def test_pattern_that_could_never_match_is_refused_by_field(
    given: str, hint: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(FilesSource, given, field)
    assert caught.value.field == f"config.{field}"
    assert "pattern 1 " in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        *(("/docs/*", ["/docs/*"]), ("*.html", ["*.html"]), ("/", ["/"])),
        *(("docs/*", ["/docs/*"]), ("./docs/*", ["/docs/*"])),
        ("https://example.org/docs/*", ["/docs/*"]),
        ("https://Example.org/a%20b", ["/a b"]),
        ("https://example.org", ["/"]),
        ("/{a,b}/*", ["/a/*", "/b/*"]),
        ("/page?", ["/page?"]),
    ],
)
def test_pattern_of_pages_is_read_as_meant(given: str, stored: list[str]) -> None:
    assert read(WebSource, given) == stored


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        *(("https://other.example/docs/*", "path"), ("http://example.org/docs/*", "path")),
        *(("/docs?page=*", "path"), ("!/blog/*", "exclude"), ("html", "*.html"), ("..", "docs")),
    ],
)
def test_pattern_that_no_page_could_match_is_refused(given: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(WebSource, given)
    assert caught.value.field == "config.include"
    assert hint in str(caught.value.hint)


def test_include_of_exceptions_alone_is_refused_as_it_reads_nothing() -> None:
    with pytest.raises(InvalidInput) as caught:
        read(FilesSource, "!*.tmp")
    assert caught.value.field == "config.include"
    assert read(FilesSource, "!*.tmp", "exclude") == ["!*.tmp"]


def test_pattern_below_a_linked_folder_may_name_either_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for place in ("real", "link"):
        given = {"path": str(tmp_path / "link"), "exclude": [f"{tmp_path / place}/a/*.md"]}
        config = FilesSource.Config.model_validate(given)
        assert FilesSource.pin(config, offline_context())["exclude"] == ["a/*.md"]


@pytest.mark.parametrize("pattern", [f"{ROOT}/srv/notes/x", "./*.md", "*.{md,txt}", "/srv"])
def test_stored_pattern_is_read_the_same_again(pattern: str) -> None:
    stored = read(FilesSource, pattern)
    assert isinstance(stored, list)
    config = FilesSource.Config.model_validate({"path": ROOT, "include": stored})
    assert "include" not in FilesSource.pin(config, offline_context())


def test_list_with_too_many_patterns_after_expansion_is_refused() -> None:
    given = {"path": ROOT, "include": ["{a,b}"] * (EXPANDED_MAX // 2 + 1)}
    config = FilesSource.Config.model_validate(given)
    with pytest.raises(InvalidInput):
        FilesSource.pin(config, offline_context())


@pytest.mark.parametrize(
    ("source", "config"),
    [(GitSource, {"repo": "/srv/repo"}), (GitHubSource, {"repo_name": "me/repo"})],
)
@pytest.mark.parametrize(
    ("given", "stored"),
    [("./docs/", "docs"), ("/docs", "docs"), ("docs\\guide", "docs/guide"), ("docs//a", "docs/a")],
)
def test_folder_of_a_repository_is_read_as_meant(
    source: type[AnySource], config: dict[str, str], given: str, stored: str
) -> None:
    assert source.Config.model_validate({**config, "path": given}).model_dump()["path"] == stored
    for wrong in ("docs/*.md", "../docs", "https://github.com/me/repo/tree/main/docs"):
        with pytest.raises(ValidationError):
            source.Config.model_validate({**config, "path": wrong})
