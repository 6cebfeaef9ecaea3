"""Search by meaning needs a numpy that works, and says what is wrong with one that does not."""

import sys
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType

import pytest

from weft.errors import Unsupported
from weft.local.arrays import require_numpy


def test_numpy_that_works_is_enough() -> None:
    require_numpy()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise ImportError('libopenblas.so: cannot open', name='numpy')", "cannot be imported"),
        ("raise RuntimeError('built for another Python')", "cannot be imported"),
        ("import numpy.core_that_is_gone", "is broken"),
        ("__version__ = '1.26.4'", "is too old (1.26.4"),
    ],
)
def test_numpy_that_does_not_work_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text(code)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    invalidate_caches()
    # Restored at the end, when the working one is needed again.
    monkeypatch.setitem(sys.modules, "numpy", ModuleType("numpy"))
    del sys.modules["numpy"]
    with pytest.raises(Unsupported) as caught:
        require_numpy()
    assert problem in str(caught.value)
    assert "'numpy>=2,<3'" in (caught.value.hint or "")


def test_numpy_that_is_missing_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Unsupported, match=r"is not installed.*pip install numpy"):
        require_numpy()
