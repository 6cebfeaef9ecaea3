"""The house keeps the plan that pyproject.toml declares."""

import logging
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def test_layers_hold_as_declared(capsys) -> None:  # type: ignore[no-untyped-def]
    known = [
        log for log in logging.root.manager.loggerDict.values() if isinstance(log, logging.Logger)
    ]
    was = [(log, log.disabled) for log in known]
    found = lint_imports(
        config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_cache=True
    )
    # The linter sets up logging for itself, and disables all loggers that others have made.
    for log, disabled in was:
        log.disabled = disabled
    assert found == 0
