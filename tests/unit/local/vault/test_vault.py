"""The vault: a sealed text opens only where it belongs, and a lost key is never replaced."""

import base64
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.local.fixed_keys import FixedKeys
from tests.support.store.open import connect_here, open_store
from weft.domain.base import Json
from weft.errors import AuthenticationFailed, StorageFailed, WeftError
from weft.local.store.vault import DataKeyStore
from weft.local.vault.envelope import seal, unseal
from weft.local.vault.keys import KEY_BYTES, KEY_FILE_NAME
from weft.local.vault.vault import Vault

pytestmark = pytest.mark.anyio

SECRET: Json = {"token": "s3cr3t-canary", "nested": {"n": [1, None, "ü"]}}
PLACE = ("organization", "connection")
BOUND = ("credentials", "https://api.example.com")
KEY = bytes(range(KEY_BYTES))
RACERS = 4

RACE = """
import sys
from pathlib import Path
import anyio
from weft.local.from_settings import open_store
from weft.local.vault.vault import Vault
from weft.settings import Settings

async def main():
    home = Path(sys.argv[1])
    vault = Vault.open(home / "keys")
    async with open_store(Settings(home=home)) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        print(await vault.seal(store.data_keys, "o", sys.argv[2], {"n": 1}, ("here",)), flush=True)

anyio.run(main)
"""


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[DataKeyStore]:
    opened_store = await open_store(tmp_path / "weft.db")
    try:
        yield opened_store.data_keys
    finally:
        await opened_store.close()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "keys")


async def test_sealed_text_opens_where_it_belongs(store: DataKeyStore, vault: Vault) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    assert await vault.unseal(store, *PLACE, text, BOUND) == SECRET


async def test_another_process_opens_what_this_one_sealed(
    store: DataKeyStore, vault: Vault, tmp_path: Path
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    assert await Vault.open(tmp_path / "keys").unseal(store, *PLACE, text, BOUND) == SECRET


async def test_sealed_text_shows_nothing_and_is_another_each_time(
    store: DataKeyStore, vault: Vault
) -> None:
    first, second = [await vault.seal(store, *PLACE, SECRET, BOUND) for _ in range(2)]
    assert first != second
    version, kid, _, text = first.split(".")
    assert version == "v1"
    key = await store.get(*PLACE)
    assert key is not None
    assert key.kid == kid
    assert b"s3cr3t" not in base64.urlsafe_b64decode(text)


@pytest.mark.parametrize("part", range(4))
async def test_text_moved_elsewhere_does_not_open(
    store: DataKeyStore, vault: Vault, part: int
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    place = [*PLACE, *BOUND]
    place[part] = "other"
    # The other owner has a key of its own too.
    await vault.seal(store, place[0], place[1], {}, BOUND)
    with pytest.raises(AuthenticationFailed) as caught:
        await vault.unseal(store, place[0], place[1], text, (place[2], place[3]))
    assert caught.value.field == "auth"
    assert text not in str(caught.value)


async def test_data_key_moved_to_another_owner_does_not_open(
    store: DataKeyStore, vault: Vault, tmp_path: Path
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    other = connect_here(str(tmp_path / "weft.db"))
    other.execute("UPDATE data_key SET owner = 'thief'")
    other.close()
    with pytest.raises(AuthenticationFailed):
        await vault.unseal(store, PLACE[0], "thief", text, BOUND)


def test_parts_of_the_binding_do_not_run_together() -> None:
    text = seal("kid", KEY, b"plain", ("ab", "c"))
    assert unseal("kid", KEY, text, ("ab", "c")) == b"plain"
    for other in (("a", "bc"), ("abc",), ("ab", "c", ""), ("ab c",)):
        assert unseal("kid", KEY, text, other) is None


def test_text_of_another_key_does_not_open_whatever_it_is_named() -> None:
    text = seal("kid", KEY, b"plain", BOUND)
    assert unseal("kid", KEY[::-1], text, BOUND) is None
    assert unseal("other", KEY, text, BOUND) is None


@pytest.mark.parametrize("position", range(0, 70, 3))
def test_changed_text_does_not_open(position: int) -> None:
    text = seal("kid", KEY, b"plain" * 8, BOUND)
    assert len(text) > 70
    for char in "AZ9_.= \u00e9":
        changed = text[:position] + char + text[position + 1 :]
        found = unseal("kid", KEY, changed, BOUND)
        if found is not None:
            # Only the bits that base64 leaves unused may differ, or nothing at all.
            assert _decode(changed) == _decode(text)


@pytest.mark.parametrize("text", ["", "....", "v1.a.b", "v2.a.b.c", "x" * 1000, "v1.é.é.é"])
async def test_text_that_was_never_sealed_does_not_open(
    store: DataKeyStore, vault: Vault, text: str
) -> None:
    await vault.seal(store, *PLACE, SECRET, BOUND)
    with pytest.raises(AuthenticationFailed):
        await vault.unseal(store, *PLACE, text, BOUND)


async def test_dropped_data_key_takes_what_it_sealed_with_it(
    store: DataKeyStore, vault: Vault
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    await store.drop(*PLACE)
    with pytest.raises(AuthenticationFailed):
        await vault.unseal(store, *PLACE, text, BOUND)
    await vault.seal(store, *PLACE, SECRET, BOUND)
    with pytest.raises(AuthenticationFailed):
        await vault.unseal(store, *PLACE, text, BOUND)


async def test_lost_key_file_is_not_replaced_while_something_is_sealed(
    store: DataKeyStore, vault: Vault, tmp_path: Path
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    path = tmp_path / "keys" / KEY_FILE_NAME
    kept = path.read_bytes()
    path.unlink()
    fresh = Vault.open(tmp_path / "keys")
    for attempt in (
        lambda: fresh.verify(store),
        lambda: fresh.unseal(store, *PLACE, text, BOUND),
        lambda: fresh.seal(store, *PLACE, SECRET, BOUND),
        lambda: fresh.seal(store, "organization", "new", SECRET, BOUND),
    ):
        with pytest.raises(StorageFailed, match="--forget-lost") as caught:
            await attempt()
        assert kept.decode() not in str(caught.value)
    assert not path.exists()
    path.write_bytes(kept)
    path.chmod(0o600)
    assert await fresh.unseal(store, *PLACE, text, BOUND) == SECRET


async def test_wrong_key_is_refused_at_the_start(store: DataKeyStore) -> None:
    await Vault(FixedKeys(KEY)).seal(store, *PLACE, SECRET, BOUND)
    await Vault(FixedKeys(KEY)).verify(store)
    with pytest.raises(StorageFailed, match="not the one"):
        await Vault(FixedKeys(KEY[::-1])).verify(store)


async def test_lost_key_is_replaced_when_nothing_is_sealed_any_more(
    store: DataKeyStore, vault: Vault, tmp_path: Path
) -> None:
    await vault.seal(store, *PLACE, SECRET, BOUND)
    await store.drop(*PLACE)
    (tmp_path / "keys" / KEY_FILE_NAME).unlink()
    fresh = Vault.open(tmp_path / "keys")
    await fresh.verify(store)
    text = await fresh.seal(store, *PLACE, SECRET, BOUND)
    assert await fresh.unseal(store, *PLACE, text, BOUND) == SECRET


async def test_two_owners_have_two_keys(store: DataKeyStore, vault: Vault) -> None:
    texts = [await vault.seal(store, "o", owner, SECRET, BOUND) for owner in ("a", "b")]
    assert texts[0].split(".")[1] != texts[1].split(".")[1]


async def test_nothing_stored_opens_without_the_master_key(
    store: DataKeyStore, vault: Vault, tmp_path: Path
) -> None:
    text = await vault.seal(store, *PLACE, SECRET, BOUND)
    with pytest.raises(WeftError):
        await Vault(FixedKeys(KEY)).unseal(store, *PLACE, text, BOUND)


def test_processes_that_race_for_a_first_key_end_with_the_same_one(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), f"owner-{number % 2}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RACERS)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        texts = [racer.communicate(timeout=30)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    kids = [text.split(".")[1] for text in texts]
    assert kids[0] == kids[2]
    assert kids[1] == kids[3]
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [KEY_FILE_NAME]


def _decode(text: str) -> list[bytes | str]:
    version, kid, *rest = text.split(".")
    return [version, kid, *(base64.urlsafe_b64decode(part) for part in rest)]
