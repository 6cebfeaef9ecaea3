"""The registry: sources by entry point, imported when first asked for, and judged when imported."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from weft.errors import NotFound, WeftError
from weft.sources.registry import ENTRY_POINT_GROUP, OTHER_WAYS, SourceRegistry
from weft.testing.stub import StubSource

MODULE = "weft_registry_probe"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of a third party, which each test writes."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path / f"{MODULE}.py"
    sys.modules.pop(MODULE, None)


def point(value: str, name: str = "stub") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=ENTRY_POINT_GROUP)


def test_installed_sources_are_found_by_entry_point() -> None:
    registry = SourceRegistry()
    assert "files" in registry.names()
    assert registry.get("files").short_name == "files"


def test_names_are_sorted_and_include_extra_sources() -> None:
    registry = SourceRegistry(
        [point("no_such:Zebra", "zebra"), point("no_such:Ant", "ant")], {"stub": StubSource}
    )
    assert registry.names() == ["ant", "stub", "zebra"]


def test_source_is_imported_only_when_it_is_asked_for(plugin: Path) -> None:
    plugin.write_text("from weft.testing.stub import StubSource\n")
    registry = SourceRegistry([point(f"{MODULE}:StubSource")])
    assert registry.names() == ["stub"]
    assert MODULE not in sys.modules
    assert registry.get("stub") is StubSource
    assert MODULE in sys.modules


def test_extra_source_wins_over_an_installed_one() -> None:
    registry = SourceRegistry([point("no_such:Stub")], {"stub": StubSource})
    assert registry.get("stub") is StubSource
    assert registry.names() == ["stub"]


def test_unknown_name_is_answered_with_the_names_that_exist() -> None:
    with pytest.raises(NotFound) as caught:
        SourceRegistry([point("no_such:Ant", "ant")], {"stub": StubSource}).get("bee")
    assert caught.value.field == "short_name"
    assert caught.value.hint == f"Available: ant, stub. {OTHER_WAYS}"


@pytest.mark.parametrize(
    "code",
    [
        "raise ImportError('s3cr3t-canary')",
        "raise RuntimeError('s3cr3t-canary')",
        "import weft_no_such_module_s3cr3t",
        "syntax error s3cr3t",
        "unrelated = 1",
    ],
)
def test_plugin_that_cannot_be_imported_is_named_without_its_own_text(
    plugin: Path, code: str
) -> None:
    plugin.write_text(code)
    with pytest.raises(WeftError) as caught:
        SourceRegistry([point(f"{MODULE}:StubSource")]).get("stub")
    assert "'stub'" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        "from weft.testing.stub import SecretStubSource as StubSource",
        "StubSource = 'stub'",
        "class StubSource:\n    short_name = 'stub'",
        "from weft.testing.stub import StubSource as Other\nStubSource = object.__new__(Other)",
    ],
)
def test_plugin_that_is_not_the_source_it_says_is_refused(plugin: Path, code: str) -> None:
    plugin.write_text(code)
    with pytest.raises(WeftError) as caught:
        SourceRegistry([point(f"{MODULE}:StubSource")]).get("stub")
    assert "'stub'" in str(caught.value)


def test_plugin_mended_on_disk_is_loaded_by_the_next_attempt(plugin: Path) -> None:
    registry = SourceRegistry([point(f"{MODULE}:StubSource")])
    with pytest.raises(WeftError):
        registry.get("stub")
    plugin.write_text("from weft.testing.stub import StubSource\n")
    importlib.invalidate_caches()
    assert registry.get("stub") is StubSource


def test_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        SourceRegistry().get("GitHubs")
    assert "Did you mean github?" in str(caught.value)
