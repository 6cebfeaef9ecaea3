"""API keys: shown once, stored as a digest, refused as soon as they are revoked."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.store.open import open_store
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.errors import Conflict, InvalidInput, NotFound
from weft.local.api_keys import LocalKeys

pytestmark = pytest.mark.anyio


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncGenerator[LocalKeys]:
    store = await open_store(tmp_path / "weft.db")
    try:
        yield LocalKeys(store.keys)
    finally:
        await store.close()


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_key_lets_its_principal_in_until_it_is_revoked(keys: LocalKeys) -> None:
    made, text = await keys.create("ci", Role.WRITE, "team")
    assert made.organization_id == "team"
    assert await keys.find_principal(text) == Principal("team", "key:ci", Role.WRITE)
    revoked = await keys.revoke("ci")
    assert revoked.name == "ci"
    assert await keys.find_principal(text) is None
    with pytest.raises(NotFound, match="weft keys list"):
        await keys.revoke("ci")


async def test_a_key_itself_is_not_stored(keys: LocalKeys, tmp_path: Path) -> None:
    _, text = await keys.create("ci", Role.READ, "local")
    stored = all_bytes(tmp_path)
    assert b"ci" in stored
    assert text.encode() not in stored
    assert text.removeprefix("weft_").encode() not in stored


async def test_texts_that_are_no_keys_are_refused(keys: LocalKeys) -> None:
    _, text = await keys.create("ci", Role.READ, "local")
    for wrong in ("", "weft_", text[:-1], f"{text}x", text.upper(), text[5:], "weft_\udcff"):
        assert await keys.find_principal(wrong) is None


async def test_a_name_is_free_again_after_revoking(keys: LocalKeys) -> None:
    _, first = await keys.create("ci", Role.READ, "local")
    with pytest.raises(Conflict, match="name"):
        await keys.create("ci", Role.ADMIN, "local")
    await keys.revoke("ci")
    _, second = await keys.create("ci", Role.ADMIN, "local")
    assert await keys.find_principal(first) is None
    found = await keys.find_principal(second)
    assert found is not None
    assert (found.organization_id, found.role) == (LOCAL_ORGANIZATION_ID, Role.ADMIN)
    listed = await keys.list()
    assert [(key.name, key.revoked_at is None) for key in listed] == [("ci", False), ("ci", True)]


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 65, "../x"])
async def test_a_name_that_could_not_be_logged_is_refused(keys: LocalKeys, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        await keys.create(name, Role.READ, "local")
