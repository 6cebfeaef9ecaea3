"""The content hash, by which a store tells an entity that changed from one that did not."""

import json
from hashlib import blake2b

from weft.domain.entities import Entity
from weft.local.store.values import dumps, micros_or_none

HASH_BYTES = 16


def content_hash(entity: Entity) -> str:
    """Hash, to hexadecimal digits, all that is stored of an entity except its version.

    Raises TypeError or ValueError for an entity that cannot be stored: a field is no text, or not
    valid Unicode.
    """
    # Most of the time of a sync that changes nothing is spent here.
    metadata = dumps(entity.metadata) if entity.metadata else ""
    breadcrumbs = json.dumps(entity.breadcrumbs) if entity.breadcrumbs else ""
    url = "" if entity.url is None else "=" + entity.url
    updated_at = f"{micros_or_none(entity.updated_at)}"
    # Joined, not formatted: that takes text only, so that a field of another type is refused.
    kind, title = entity.type, entity.title
    parts = (kind, title, url, updated_at, metadata, breadcrumbs, entity.text)
    content = "\0".join(parts)
    if "\0" in kind or "\0" in title or "\0" in url:
        # A field before the text has a separator in it: only lengths can tell where it ends.
        content = f"{len(kind)},{len(title)},{len(url)},{len(metadata)}\0{content}"
    if entity.version is not None:
        entity.version.encode()
    return blake2b(content.encode(), digest_size=HASH_BYTES).hexdigest()
