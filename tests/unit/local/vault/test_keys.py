"""The places of the master key: each is its owner's alone, and each fails with the way out."""

import base64
import os
import stat
from collections.abc import Generator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from weft.errors import InvalidInput, KeyUnavailable, StorageFailed
from weft.local.vault.keys import (
    KEY_BYTES,
    KEY_FILE_NAME,
    KeyFile,
    KeyringEntry,
    KeySource,
    KeyVariable,
    MasterKey,
    key_source,
)
from weft.local.vault.vault import Vault

KEY = bytes(range(KEY_BYTES))
TEXT = base64.b64encode(KEY).decode()


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that works, in memory."""

    priority = 1  # pyright: ignore[reportAssignmentType] (the base class documents a plain number)

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class HeadlessKeyring(MemoryKeyring):
    """A machine without one."""

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.NoKeyringError("no backend: the secret is s3cr3t")


@pytest.fixture
def system() -> Generator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture(params=["file", "keyring"])
def source(request: pytest.FixtureRequest, tmp_path: Path, system: MemoryKeyring) -> KeySource:
    file = tmp_path / "elsewhere" / "key" if request.param == "file" else None
    return key_source(tmp_path / "keys", file=file, keyring=file is None, variable=None)


def test_key_is_made_once(source: KeySource) -> None:
    assert source.load() == ()
    made = source.create()
    assert len(made) == 1
    assert source.create() == made
    assert source.load() == made


def test_several_keys_are_kept_in_order(source: KeySource) -> None:
    keys = tuple(MasterKey.generate() for _ in range(3))
    source.create()
    source.replace(keys)
    assert source.load() == keys
    source.replace(keys[1:2])
    assert source.load() == keys[1:2]


def test_key_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = key_source(tmp_path / "keys", file=None, keyring=False, variable=None)
    source.create()
    file = tmp_path / "keys" / KEY_FILE_NAME
    if os.getuid() == 0:
        os.chown(file, 1234, 1234)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(KeyUnavailable, match="belongs to another user") as caught:
        source.load()
    assert f"chown $(id -u) {file}" in (caught.value.hint or "")


def test_operator_s_places_are_looked_at_in_order(tmp_path: Path) -> None:
    file = tmp_path / "key"
    named = key_source(tmp_path, file=file, keyring=True, variable=TEXT)
    assert named.where == f"the key file {file}"
    assert key_source(tmp_path, file=None, keyring=True, variable=TEXT).where.endswith("keyring")
    assert key_source(tmp_path, file=None, keyring=False, variable=TEXT).where == "WEFT_MASTER_KEY"
    generated = key_source(tmp_path, file=None, keyring=False, variable=None)
    assert generated.where == f"the key file {tmp_path / KEY_FILE_NAME}"


def test_key_file_is_its_owner_s_alone_and_nothing_is_left_over(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "keys"
    source = KeyFile(folder / KEY_FILE_NAME)
    source.create()
    source.replace([MasterKey(KEY), *source.load()])
    path = folder / KEY_FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == [KEY_FILE_NAME]


def test_what_a_killed_rotation_left_is_removed_by_the_next(tmp_path: Path) -> None:
    source = KeyFile(tmp_path / KEY_FILE_NAME)
    made = source.create()
    left = tmp_path / f"{KEY_FILE_NAME}.0123.new"
    left.write_text("a key")
    source.replace(made)
    assert not left.exists()


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_key_that_others_may_touch_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = tmp_path / KEY_FILE_NAME
    KeyFile(path).create()
    path.chmod(mode)
    with pytest.raises(StorageFailed) as caught:
        Vault.open(tmp_path)
    assert f"chmod 600 {path}" in str(caught.value)
    assert path.read_text() not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"short", b"A" * 45, b"\xff\xfe", b"A" * 4000, b"\n\n"])
def test_damaged_key_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE_NAME
    KeyFile(path).create()
    path.write_bytes(content)
    with pytest.raises(StorageFailed, match="is damaged"):
        Vault.open(tmp_path)
    with pytest.raises(StorageFailed, match="is damaged"):
        KeyFile(path).create()
    assert path.read_bytes() == content


def test_key_in_a_place_that_cannot_be_read_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot be read"):
        KeyFile(tmp_path / "file" / KEY_FILE_NAME).create()
    (tmp_path / KEY_FILE_NAME).mkdir(mode=0o700)
    with pytest.raises(StorageFailed, match="cannot be read"):
        Vault.open(tmp_path)


def test_machine_without_a_keyring_is_told_what_to_do(tmp_path: Path, system: object) -> None:
    keyring.set_keyring(HeadlessKeyring())
    with pytest.raises(StorageFailed, match="WEFT_MASTER_KEY_FILE") as caught:
        Vault.over(KeyringEntry("home", tmp_path))
    assert "NoKeyringError" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_homes_have_keys_of_their_own_in_one_keyring(tmp_path: Path, system: MemoryKeyring) -> None:
    first, second = (KeyringEntry(name, tmp_path).create() for name in ("a", "b"))
    assert first != second
    assert len(system.entries) == 2


def test_both_alphabets_of_base64_are_read() -> None:
    odd = bytes([251, 255] * 16)
    texts = (base64.b64encode(odd).decode(), base64.urlsafe_b64encode(odd).decode())
    assert texts[0] != texts[1]
    assert [KeyVariable(text).load() for text in texts] == [(MasterKey(odd),)] * 2


@pytest.mark.parametrize("text", ["s3cr3t", "", ",", TEXT[:-4], TEXT + "AAAA", "é" * 44])
def test_bad_variable_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(StorageFailed, match="32 bytes in base64") as caught:
        KeyVariable(text)
    assert not text.strip(",") or text not in str(caught.value)


def test_variable_is_rotated_by_the_operator() -> None:
    old, new = MasterKey(KEY), MasterKey.generate()
    with pytest.raises(InvalidInput, match="NEW,OLD"):
        KeyVariable(TEXT).replace([new, old])
    both = KeyVariable(f"{base64.b64encode(new.secret).decode()}, {TEXT}")
    assert both.load() == (new, old)
    both.replace([new])


def test_key_is_not_in_its_own_representation() -> None:
    key = MasterKey(KEY)
    assert repr(KEY) not in repr(key)
    assert key.kid not in base64.b16encode(KEY).decode().lower()
