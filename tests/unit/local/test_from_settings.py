"""Keys and secrets as the settings name them."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from weft.assembly.backends import open_engine
from weft.assembly.operator import rotate_master
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.errors import InvalidInput, StorageFailed
from weft.local.from_settings import (
    key_source_of,
    parse_mapped_secrets,
    private_paths,
)
from weft.settings import SecretMapping, Settings, load_settings
from weft.sources.trees import ForbiddenPaths

KEY = base64.b64encode(bytes(32)).decode()
MAPPING: dict[str, Any] = {"env": "X", "sources": ["github"], "hosts": ["api.github.com"]}


def test_key_is_where_the_settings_say(tmp_path: Path) -> None:
    def where(**given: Any) -> str:
        return key_source_of(Settings(home=tmp_path, **given)).where

    assert where() == f"the key file {tmp_path / 'keys' / 'master.key'}"
    assert where(master_key=KEY) == "WEFT_MASTER_KEY"
    assert "keyring" in where(master_key=KEY, keyring=True)
    file = tmp_path / "elsewhere"
    assert where(master_key=KEY, keyring=True, master_key_file=file) == f"the key file {file}"


def test_key_in_a_variable_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    monkeypatch.setenv("WEFT_MASTER_KEY", KEY)
    assert KEY not in repr(load_settings())


def test_no_source_may_read_a_key_or_a_secret(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home",
        master_key_file=tmp_path / "master",
        embeddings_url="https://api.example.com",
        embeddings_model="m",
        embeddings_key_file=tmp_path / "key",
        secrets={"a": SecretMapping(file=tmp_path / "a", sources=("x",), hosts=("y",))},
    )
    guard = ForbiddenPaths(private_paths(settings))
    for private in ("home/weft.db", "master", "key", "a"):
        assert guard.refuses((tmp_path / private).resolve()), private
    assert not guard.refuses((tmp_path / "open").resolve())


def test_secrets_of_the_configuration_belong_to_organizations(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        secrets={
            "ours": SecretMapping.model_validate(MAPPING),
            "theirs": SecretMapping.model_validate(MAPPING | {"organization": "team"}),
        },
    )
    mapped = parse_mapped_secrets(settings)
    assert set(mapped[LOCAL_ORGANIZATION_ID]) == {"ours"}
    assert set(mapped["team"]) == {"theirs"}
    assert mapped["team"]["theirs"].hosts == ("https://api.github.com",)


@pytest.mark.parametrize(
    "wrong",
    [{"env": None}, {"file": "/x"}, {"sources": []}, {"hosts": []}, {"env": ""}, {"colour": 1}],
)
def test_secret_without_a_place_or_somewhere_to_go_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SecretMapping.model_validate(MAPPING | wrong)


@pytest.mark.parametrize(("name", "host"), [("a b", "x.example"), ("ok", "http://x.example")])
def test_bad_name_or_host_of_a_secret_is_told(tmp_path: Path, name: str, host: str) -> None:
    mapping = SecretMapping.model_validate(MAPPING | {"hosts": [host]})
    with pytest.raises(InvalidInput):
        parse_mapped_secrets(Settings(home=tmp_path, secrets={name: mapping}))


@pytest.mark.anyio
async def test_engine_does_not_open_without_the_key_of_what_is_sealed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, master_key=SecretStr(KEY))
    async with open_engine(settings, run_jobs=False) as opened:
        sealed = await opened.engine.seal("o", "c", "", {"a": 1})
    with pytest.raises(StorageFailed, match="WEFT_MASTER_KEY"):
        async with open_engine(Settings(home=tmp_path), run_jobs=False):
            pass
    assert not (tmp_path / "keys" / "master.key").exists()
    other = base64.b64encode(bytes([1] * 32)).decode()
    both = Settings(home=tmp_path, master_key=SecretStr(f"{other},{KEY}"))
    assert (await rotate_master(both)).rewrapped == 1
    new = Settings(home=tmp_path, master_key=SecretStr(other))
    async with open_engine(new, run_jobs=False) as opened:
        assert await opened.engine.unseal("o", "c", "", sealed) == {"a": 1}
