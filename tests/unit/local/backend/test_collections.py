"""Collections get the id that people expect of their name."""

import anyio
import pytest

from tests.support.local.harness import LocalHarness
from weft.domain.collections import NewCollection

pytestmark = pytest.mark.anyio


async def test_readable_id_is_the_plain_name_while_it_is_free(local: LocalHarness) -> None:
    collections = local.backend.collections
    first = await collections.create(NewCollection(name="My Notes"))
    second = await collections.create(NewCollection(name="My notes"))
    assert first.readable_id == "my-notes"
    assert second.readable_id.startswith("my-notes-")


async def test_collections_made_at_once_under_one_name_get_distinct_ids(
    local: LocalHarness,
) -> None:
    ids = set[str]()

    async def create() -> None:
        made = await local.backend.collections.create(NewCollection(name="My Notes"))
        ids.add(made.readable_id)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(create)
    assert len(ids) == 4
    assert "my-notes" in ids
