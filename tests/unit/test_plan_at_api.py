"""`weft doctor` asks the API for its plan, and takes it as it is that another Weft has none."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from weft.assembly.remote import inspect_api
from weft.errors import WeftError
from weft.settings import Settings
from weft.testing.airweave import Airweave, airweave_app
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("has_plans", "told"), [(True, {"plan": "pro, active"}), (False, {})])
async def test_plan_is_told_where_the_api_has_one(
    tmp_path: Path, has_plans: bool, told: dict[str, str]
) -> None:
    world = Airweave()
    app = airweave_app(world)
    if not has_plans:
        app.router.routes = [r for r in app.router.routes if "usage" not in getattr(r, "path", "")]
    async with serve_app(app) as url:
        settings = Settings(home=tmp_path, api_url=url, api_key=SecretStr(world.key))
        facts = await inspect_api(settings)
        assert {name: fact for name, fact in facts.items() if name == "plan"} == told
        refused = Settings(home=tmp_path, api_url=url, api_key=SecretStr("another"))
        if has_plans:
            with pytest.raises(WeftError, match="key"):
                await inspect_api(refused)
