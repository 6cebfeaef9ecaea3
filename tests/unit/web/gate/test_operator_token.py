"""The operator's token: made once, for its owner only, and compared whole."""

import stat
from pathlib import Path

import pytest

from weft.errors import InvalidInput, StorageFailed
from weft.web.gate.operator_token import build_operator_check, load_or_create_token

pytestmark = pytest.mark.anyio


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "token"
    made = load_or_create_token(path)
    assert len(made) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_token(path) == made
    assert load_or_create_token(tmp_path / "another") != made


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "token"
    load_or_create_token(path)
    path.chmod(0o640)
    with pytest.raises(InvalidInput, match="read by others"):
        load_or_create_token(path)


@pytest.mark.parametrize("text", ["", "12345", "123456789012345\n\n"])
def test_a_token_that_can_be_guessed_is_not_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(InvalidInput, match="shorter than 16"):
        load_or_create_token(path)
    path.write_text("1234567890123456\n")
    assert load_or_create_token(path) == "1234567890123456"


def test_a_folder_in_place_of_the_token_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir(mode=0o755)
    with pytest.raises(InvalidInput, match="not a file"):
        load_or_create_token(tmp_path / "token")


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="token file"):
        load_or_create_token(tmp_path / "file" / "token")


@pytest.mark.parametrize("presented", ["", "the token ", "the toke", "THE TOKEN", "\udcff"])
async def test_only_the_whole_token_lets_in(presented: str) -> None:
    authenticate = build_operator_check("the token")
    assert await authenticate(presented) is None
    assert await authenticate("the token") is not None
