"""The content hash, which tells a store whether an entity has changed."""

import json
from hashlib import blake2b

from weft.domain.entities import Entity
from weft.local.store.values import dumps, micros_or_none

HASH_BYTES = 16


def content_hash(entity: Entity) -> str:
    """Hash all that is stored of an entity, except its version, to hexadecimal digits.

    Raises TypeError or ValueError for an entity that cannot be stored: a field is not text, or not
    valid Unicode.
    """
    # A sync that changes nothing spends most of its time here.
    metadata = dumps(entity.metadata) if entity.metadata else ""
    breadcrumbs = json.dumps(entity.breadcrumbs) if entity.breadcrumbs else ""
    url = "" if entity.url is None else "=" + entity.url
    updated_at = f"{micros_or_none(entity.updated_at)}"
    # Join instead of formatting, since join refuses a field that is not text.
    kind, title = entity.type, entity.title
    parts = (kind, title, url, updated_at, metadata, breadcrumbs, entity.text)
    content = "\0".join(parts)
    if "\0" in kind or "\0" in title or "\0" in url:
        # A field before the text contains the separator, so lengths must say where fields end.
        content = f"{len(kind)},{len(title)},{len(url)},{len(metadata)}\0{content}"
    if entity.version is not None:
        entity.version.encode()
    return blake2b(content.encode(), digest_size=HASH_BYTES).hexdigest()
