"""The source `ingest`: it reads nothing, but passes on the batch that was pushed."""

from collections.abc import AsyncGenerator

from weft.domain.base import Json
from weft.domain.pushing import DEFAULT_TYPE, INGEST, Push
from weft.errors import PushUnfinished
from weft.sources.base import Complete, Deleted, Event, NoFields, Source


class IngestSource(Source[NoFields, NoFields]):
    """Holds what programs push. A sync of it writes one batch, ``pushed``; ``ends_listing``: all
    batches of its push were named everything that there is, and this is the last.
    """

    short_name = INGEST
    name = "Pushed content"
    description = "What programs and people push: JSON over the HTTP API, or `weft push`"
    Config = NoFields
    entity_types = (DEFAULT_TYPE,)
    labels = ("push", "upload", "api", "webhook", "json", "jsonl", "import", "custom", "own data")
    pushed: Push | None = None
    ends_listing: bool = False

    async def check(self) -> str:
        """Say that there is nothing to reach."""
        return "ready for what is pushed"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event, None]:
        """Yield the batch. Raises PushUnfinished without one: then no further batch came."""
        del cursor
        push = self.pushed
        if push is None:
            raise PushUnfinished(
                "The push was not ended: its last batch never came, or was interrupted.",
                hint="What it brought stays. Push all of it again.",
            )
        for entity in push.entities:
            yield entity.to_entity()
        for gone in push.delete:
            yield Deleted(gone)
        if self.ends_listing:
            yield Complete("whoever pushed it said that it was the last batch")
