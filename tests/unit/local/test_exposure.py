"""State that other users can change."""

import os
from pathlib import Path
from typing import Any

import pytest

from weft.assembly.backends import open_any
from weft.assembly.operator import open_keys
from weft.errors import InvalidInput
from weft.local.exposure import find_exposed, refuse_exposed
from weft.settings import Settings

pytestmark = pytest.mark.anyio
OWNER_ONLY = 0o700
API: dict[str, Any] = {"api_url": "https://api.example", "api_key": "key"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=OWNER_ONLY)
    (tmp_path / "config.toml").touch(0o600)
    return tmp_path


def expose(path: Path, bits: int = 0o002) -> None:
    path.chmod(path.stat().st_mode | bits)


@pytest.mark.parametrize("name", ["config.toml", "keys"])
@pytest.mark.parametrize("api", [{}, API])
async def test_start_is_refused_while_others_can_change(
    home: Path, name: str, api: dict[str, Any]
) -> None:
    settings = Settings(home=home, **api)
    expose(home / name)
    with pytest.raises(InvalidInput, match=f"can change {home / name}") as caught:
        async with open_any(settings):
            pass
    assert f"chmod go-w {home / name}" in (caught.value.hint or "")
    (home / name).chmod(OWNER_ONLY)
    async with open_any(settings, run_jobs=False):
        pass


async def test_verbs_without_an_engine_are_refused_too(home: Path) -> None:
    expose(home / "config.toml")
    with pytest.raises(InvalidInput):
        async with open_keys(Settings(home=home)):
            pass


def test_folder_of_a_key_elsewhere_counts_in_place_of_the_usual_one(home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir(mode=OWNER_ONLY)
    settings = Settings(home=home, master_key_file=elsewhere / "key")
    expose(home / "keys")
    refuse_exposed(settings, home / "keys")
    expose(elsewhere)
    with pytest.raises(InvalidInput):
        refuse_exposed(settings, home / "keys")


def test_only_the_owner_replaces_files_in_a_sticky_folder(home: Path) -> None:
    (home / "keys").chmod(0o1777)
    assert find_exposed(Settings(home=home), home / "keys") == []


def test_a_group_of_its_own_is_nobody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=home)
    expose(home / "config.toml", 0o020)
    if os.getuid() != 0:
        pytest.skip("only root may give files away")
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    os.chown(home / "config.toml", 1234, 1234)
    assert find_exposed(settings, home / "keys") == []
    os.chown(home / "config.toml", 1234, 100)
    assert find_exposed(settings, home / "keys") == [home / "config.toml"]


def test_another_user_can_change_what_they_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=home)
    (home / "weft.db").touch(0o600)
    owner = os.getuid()
    if owner == 0:
        os.chown(home / "weft.db", 1234, 1234)
        os.chown(home / "config.toml", 1234, 1234)
        expected = [home / "config.toml", home / "weft.db"]
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        expected = [home / name for name in ("config.toml", "keys", "", "weft.db")]
    assert find_exposed(settings, home / "keys") == expected
    with pytest.raises(InvalidInput) as caught:
        refuse_exposed(settings, home / "keys")
    assert f"chown $(id -u) {home / 'config.toml'}" in (caught.value.hint or "")
    monkeypatch.setattr(os, "geteuid", lambda: 1234 if owner == 0 else owner)
    assert find_exposed(settings, home / "keys") == []


def test_what_is_not_there_is_not_exposed(tmp_path: Path) -> None:
    assert find_exposed(Settings(home=tmp_path / "none"), tmp_path / "none/keys") == []
