"""The house keeps the plan that pyproject.toml declares."""

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def test_layers_hold_as_declared(capsys) -> None:  # type: ignore[no-untyped-def]
    assert (
        lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_cache=True)
        == 0
    )
