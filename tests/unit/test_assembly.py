"""The inspection for `weft doctor`: of the database, and of the key to its credentials."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from weft.assembly.operator import inspect_database, open_secrets
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.settings import Settings

pytestmark = pytest.mark.anyio


async def test_lost_master_key_is_a_problem_once_something_was_sealed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert (await inspect_database(settings)).problems == ()
    async with open_secrets(settings, LOCAL_ORGANIZATION_ID) as secrets:
        await secrets.put("TOKEN", "canary", sources=["github"], hosts=["api.github.com"])
    assert (await inspect_database(settings)).problems == ()
    next((tmp_path / "keys").iterdir()).unlink()
    (problem,) = (await inspect_database(settings)).problems
    assert "master key" in problem
    assert "rotate-master --forget-lost" in problem
    assert list((tmp_path / "keys").iterdir()) == []


async def test_damaged_master_key_is_a_problem(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, master_key=SecretStr("not-a-key-canary"))
    (problem,) = (await inspect_database(settings)).problems
    assert "WEFT_MASTER_KEY" in problem
    assert "canary" not in problem
