"""Fixtures of the remote backend's tests."""

import pytest

from tests.support.airweave.backend import Place
from weft.domain.collections import NewCollection


@pytest.fixture
async def place(anyio_backend: str) -> Place:
    """An organisation at Airweave with the collection `docs`."""
    place = Place()
    async with place.open() as backend:
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    return place
