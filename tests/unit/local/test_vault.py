"""The vault: a sealed text opens only where it belongs, and its key is its owner's alone."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.domain.base import Json
from weft.errors import AuthenticationFailed, StorageFailed
from weft.local.vault import KEY_BYTES, KEY_FILE_NAME, Vault

SECRET: Json = {"token": "s3cr3t-canary", "nested": {"n": [1, None, "ü"]}}
HERE = ("organization", "connection", "credentials", "https://api.example.com")
KEY = bytes(range(KEY_BYTES))
RACERS = 4

RACE = """
import sys
from pathlib import Path
from weft.local.vault import Vault
print("ready", flush=True)
sys.stdin.readline()
vault = Vault.open(Path(sys.argv[1]))
print(vault.seal({"n": 1}, bound_to=("here",)))
"""


def test_sealed_text_opens_where_it_belongs() -> None:
    vault = Vault(KEY)
    assert vault.unseal(vault.seal(SECRET, bound_to=HERE), bound_to=HERE) == SECRET


def test_sealed_text_shows_nothing_and_is_another_each_time() -> None:
    vault = Vault(KEY)
    sealed = [vault.seal(SECRET, bound_to=HERE) for _ in range(2)]
    assert sealed[0] != sealed[1]
    version, _, _, text = sealed[0].split(".")
    assert version == "v1"
    assert b"s3cr3t" not in base64.urlsafe_b64decode(text)
    assert "s3cr3t" not in sealed[0]


@pytest.mark.parametrize("part", range(len(HERE)))
def test_text_moved_elsewhere_does_not_open(part: int) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(SECRET, bound_to=HERE)
    elsewhere = tuple("other" if n == part else value for n, value in enumerate(HERE))
    with pytest.raises(AuthenticationFailed) as caught:
        vault.unseal(sealed, bound_to=elsewhere)
    assert caught.value.field == "auth"
    assert sealed not in str(caught.value)


def test_parts_of_the_binding_do_not_run_together() -> None:
    vault = Vault(KEY)
    sealed = vault.seal(SECRET, bound_to=("ab", "c"))
    for other in (("a", "bc"), ("abc",), ("ab", "c", ""), ("ab c",)):
        with pytest.raises(AuthenticationFailed):
            vault.unseal(sealed, bound_to=other)


def test_text_of_another_key_does_not_open() -> None:
    sealed = Vault(KEY).seal(SECRET, bound_to=HERE)
    with pytest.raises(AuthenticationFailed):
        Vault(KEY[::-1]).unseal(sealed, bound_to=HERE)


def test_key_id_in_the_text_cannot_be_swapped_for_another() -> None:
    other = Vault(KEY[::-1])
    version, _, nonce, text = Vault(KEY).seal(SECRET, bound_to=HERE).split(".")
    key_id = other.seal(SECRET, bound_to=HERE).split(".")[1]
    with pytest.raises(AuthenticationFailed):
        other.unseal(f"{version}.{key_id}.{nonce}.{text}", bound_to=HERE)


@settings(deadline=None)
@given(position=st.integers(min_value=0), char=st.sampled_from("AZaz09-_.=! \u00e9"))
def test_changed_text_does_not_open(position: int, char: str) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(SECRET, bound_to=HERE)
    position %= len(sealed)
    changed = sealed[:position] + char + sealed[position + 1 :]
    try:
        opened = vault.unseal(changed, bound_to=HERE)
    except AuthenticationFailed:
        return
    # Only the bits that base64 leaves unused may differ, or nothing at all.
    assert opened == SECRET
    assert _decoded(changed) == _decoded(sealed)


@pytest.mark.parametrize("text", ["", "....", "v1.a.b", "v2.a.b.c", "x" * 1000, "v1.é.é.é"])
def test_text_that_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(AuthenticationFailed):
        Vault(KEY).unseal(text, bound_to=HERE)


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "keys"
    sealed = Vault.open(folder).seal(SECRET, bound_to=HERE)
    path = folder / KEY_FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(base64.urlsafe_b64decode(path.read_bytes())) == KEY_BYTES
    assert Vault.open(folder).unseal(sealed, bound_to=HERE) == SECRET
    assert [file.name for file in folder.iterdir()] == [KEY_FILE_NAME], "nothing is left over"


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Vault.open(tmp_path / name)
    first, second = ((tmp_path / name / KEY_FILE_NAME).read_bytes() for name in ("a", "b"))
    assert first != second


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_key_that_others_may_touch_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    Vault.open(tmp_path)
    path = tmp_path / KEY_FILE_NAME
    path.chmod(mode)
    with pytest.raises(StorageFailed) as caught:
        Vault.open(tmp_path)
    assert f"chmod 600 {path}" in str(caught.value)
    assert path.read_text() not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"short", b"A" * 45, b"\xff\xfe", b"A" * 4000])
def test_damaged_key_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    Vault.open(tmp_path)
    path = tmp_path / KEY_FILE_NAME
    path.write_bytes(content)
    with pytest.raises(StorageFailed, match="is damaged"):
        Vault.open(tmp_path)
    assert path.read_bytes() == content


def test_key_in_a_place_that_cannot_be_read_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot be read"):
        Vault.open(tmp_path / "file")
    (tmp_path / KEY_FILE_NAME).mkdir(mode=0o700)
    with pytest.raises(StorageFailed, match="cannot be read"):
        Vault.open(tmp_path)


def test_processes_that_race_for_a_key_end_with_the_same_one(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(RACERS)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        sealed = [racer.communicate(timeout=30)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    vault = Vault.open(folder)
    assert [vault.unseal(text, bound_to=("here",)) for text in sealed] == [{"n": 1}] * RACERS
    assert [file.name for file in folder.iterdir()] == [KEY_FILE_NAME]


def _decoded(sealed: str) -> list[bytes | str]:
    version, key_id, *rest = sealed.split(".")
    return [version, key_id, *(base64.urlsafe_b64decode(part) for part in rest)]
