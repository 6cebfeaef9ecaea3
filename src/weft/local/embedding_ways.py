"""Decides by what a collection is embedded: the operator's decision, since texts may leave."""

from urllib.parse import urlsplit

import anyio

from weft.domain.base import Frozen
from weft.domain.collections import Collection
from weft.domain.reading.ways import ENDPOINT
from weft.errors import NotFound
from weft.local.embedding.models import SettingsModels
from weft.local.resolve import find_collection
from weft.local.store.base import Store
from weft.settings import Settings


class WayChange(Frozen):
    """A collection with its way to embed from now on, the model, and how many entities wait."""

    collection: Collection
    model: str
    waiting: int


class EmbeddingWays:
    """The ways to embed of one database's collections."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    async def find(self, organization_id: str, collection: str) -> Collection:
        """Find a collection by its id or name. Raises NotFound or Ambiguous."""
        return await find_collection(self._store, organization_id, collection)

    def receiver(self, way: str) -> str | None:
        """Return the host that texts are sent to, None if they stay in this process."""
        url = self._settings.embeddings_url
        return urlsplit(url).netloc if way == ENDPOINT and url is not None else None

    async def set(self, collection: Collection, way: str) -> WayChange:
        """Embed a collection in this way from now on.

        The model is tried first: raises InvalidInput naming the setting that is missing, or what
        the model raises. Raises NotFound when the collection is gone.
        """
        models = SettingsModels(self._settings, patient=True)
        model = await anyio.to_thread.run_sync(lambda: models.encoder(way).model)
        # Who embeds does not take the place of another model: here somebody decides for this one.
        await self._store.vectors.use_models({way: model})
        waiting = await self._store.vectors.set_way(collection, way)
        if waiting is None:
            raise NotFound("The collection was deleted meanwhile.", field="collection")
        changed = collection.model_copy(update={"embedded_by": way})
        return WayChange(collection=changed, model=model, waiting=waiting)
