"""The ways to embed a collection, so that it is searched by meaning."""

from typing import Final

PACKAGED: Final = "packaged"
"""By the model that comes with Weft: the way that a collection has unless somebody decided."""

ENDPOINT: Final = "endpoint"
"""By the API in WEFT_EMBEDDINGS_URL: the texts go there."""

FOLDER: Final = "folder"
"""By the model in WEFT_EMBEDDINGS_FOLDER, which runs here."""

WAYS: Final = (PACKAGED, ENDPOINT, FOLDER)
