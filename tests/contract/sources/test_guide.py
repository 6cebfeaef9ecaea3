"""The service of the guide for authors passes the suite, which judges it there too."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.test_rest import serve_case
from weft.testing.http_faults import wait_not
from weft.testing.source_contract import SourceCase, SourceContract

GUIDE = Path(__file__).parents[3] / "docs" / "sources" / "writing.md"


class TestService(SourceContract):
    """The service of docs/sources/writing.md."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        text = GUIDE.read_text(encoding="utf-8")
        names: dict[str, Any] = {"__name__": "guide"}
        exec(compile(text.partition("```python\n")[2].partition("```")[0], "guide", "exec"), names)
        source = names["NotesSource"]
        source.sleep = staticmethod(wait_not)
        async for case in serve_case("link", source, cap=3):
            yield case
