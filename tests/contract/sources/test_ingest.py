"""What is pushed does what every source must do."""

import pytest

from weft.domain.pushing import Push, PushedEntity
from weft.sources.ingest.source import IngestSource
from weft.testing.source_contract import Change, SourceCase, SourceContract, offline_context


def make(name: str, text: str = "words") -> PushedEntity:
    return PushedEntity(
        id=name,
        title=f"About\u200b {name}",
        text=f"\x07{text}",
        url="https://example.org/\u202ea",
        metadata={"ke\u200by": ["a\nb", {"c": "d\x00"}]},
        breadcrumbs=("a\tb",),
    )


class TestIngest(SourceContract):
    """A whole push in one batch."""

    @pytest.fixture
    def case(self) -> SourceCase:
        class Pushed(IngestSource):
            pushed = Push(entities=(make("a"), make("b"), make("c")), replace=True)
            ends_listing = True

        async def mutate() -> Change:
            Pushed.pushed = Push(entities=(make("b", "more"), make("c"), make("d")), replace=True)
            return Change(frozenset({"b", "d"}), frozenset({"a"}))

        return SourceCase(
            Pushed,
            {},
            offline_context(),
            mutate=mutate,
            hostile="What was pushed has been parsed already, by whoever took it.",
            faults="It asks nobody.",
        )
