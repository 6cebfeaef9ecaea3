"""Named secrets: put in where the operator allowed it, and nowhere else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from tests.support.local.harness import ORGANIZATION, LocalHarness
from tests.support.store.open import connect_here
from weft.domain.access.secrets import SecretOrigin
from weft.domain.base import Json
from weft.domain.connections import Auth, ConnectionChange, DirectAuth
from weft.errors import AuthenticationFailed, InvalidInput, NotFound, NotPermitted, WeftError
from weft.local.auth.named_secrets import NamedSecrets
from weft.local.auth.secret_refs import parse_origins, resolve_secret_refs
from weft.local.engine import Engine, MappedSecret
from weft.sources.base import AnySource
from weft.testing.stub import StubSource

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-9f3a"
HOST = "https://a.example"
REF: Json = {"secret_ref": "main"}


class _TwoFields(BaseModel):
    user: str
    token: SecretStr
    other: SecretStr


class _Two(StubSource):
    short_name = "two"
    Credentials = _TwoFields


@pytest.fixture
def secrets(local: LocalHarness) -> NamedSecrets:
    return NamedSecrets(local.engine, ORGANIZATION)


@pytest.fixture
def kind(local: LocalHarness) -> type[AnySource]:
    return local.engine.registry.get("scripted")


async def _put(secrets: NamedSecrets, **more: Any) -> None:
    await secrets.put("main", CANARY, **{"sources": ["scripted"], "hosts": ["a.example"], **more})


async def test_reference_is_replaced_by_the_value_where_it_may_go(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource]
) -> None:
    await _put(secrets)
    references: list[Json] = [{"token": REF}, REF]
    for given in references:
        found = await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], given)
        assert found == {"token": CANARY}
    untouched: Json = {"token": "plain", "n": [1], "o": {"x": "y"}}
    assert (
        await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], untouched)
        == untouched
    )


async def test_each_field_refers_for_itself_where_a_source_takes_several(
    local: LocalHarness, secrets: NamedSecrets
) -> None:
    engine = replace(local.engine, registry=_registry(local.engine))
    secrets = NamedSecrets(engine, ORGANIZATION)
    await _put(secrets, sources=["two"])
    given: Json = {"user": "me", "token": REF, "other": REF}
    found = await resolve_secret_refs(engine, ORGANIZATION, _Two.info(), [HOST], given)
    assert found == {"user": "me", "token": CANARY, "other": CANARY}
    with pytest.raises(InvalidInput, match="each field"):
        await resolve_secret_refs(engine, ORGANIZATION, _Two.info(), [HOST], REF)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example",
        "https://a.example.evil.example",
        "https://a.example:8443",
        "http://a.example",
        "https://a.example@evil.example",
        "",
    ],
)
async def test_other_endpoint_gets_nothing_and_is_audited_without_the_value(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource], endpoint: str
) -> None:
    await _put(secrets)
    for _ in range(3):
        with pytest.raises(NotPermitted) as caught:
            await resolve_secret_refs(
                local.engine, ORGANIZATION, kind.info(), [endpoint], {"token": REF}
            )
        assert CANARY not in str(caught.value)
        assert "a.example" not in str(caught.value)
    refused = [e for e in await _read_audit(local) if e.action == "refused"]
    assert [(entry.target_kind, entry.target_id) for entry in refused] == [("secret", "main")]


async def test_other_source_gets_nothing(local: LocalHarness, secrets: NamedSecrets) -> None:
    await _put(secrets)
    with pytest.raises(NotPermitted):
        await resolve_secret_refs(
            local.engine, ORGANIZATION, StubSource.info(), [HOST], {"token": REF}
        )


async def test_other_organization_s_names_are_unknown(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource]
) -> None:
    await _put(secrets)
    with pytest.raises(NotFound) as theirs:
        await resolve_secret_refs(local.engine, "other", kind.info(), [HOST], REF)
    with pytest.raises(NotFound) as nobodys:
        await resolve_secret_refs(
            local.engine, "other", kind.info(), [HOST], {"secret_ref": "nobody"}
        )
    assert str(theirs.value) == str(nobodys.value)
    assert await NamedSecrets(local.engine, "other").list() == []


@pytest.mark.parametrize(
    "reference",
    ["env:AWS_SECRET_ACCESS_KEY", "file:/etc/passwd", "", "a b", "../x", "x" * 65, 1, None, ["x"]],
)
async def test_anything_but_a_plain_name_is_refused_without_repeating_it(
    local: LocalHarness, kind: type[AnySource], reference: Any
) -> None:
    references: list[Json] = [{"token": {"secret_ref": reference}}, {"secret_ref": reference}]
    for given in references:
        with pytest.raises(InvalidInput) as caught:
            await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], given)
        assert not reference or str(reference) not in str(caught.value)


async def test_reference_beside_other_things_is_refused(
    local: LocalHarness, kind: type[AnySource]
) -> None:
    mixed: list[Json] = [{"secret_ref": "main", "token": CANARY}, {"token": {**REF, "x": CANARY}}]
    for given in mixed:
        with pytest.raises(InvalidInput) as caught:
            await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], given)
        assert CANARY not in str(caught.value)


async def test_edited_row_does_not_widen_where_a_secret_may_go(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource]
) -> None:
    await _put(secrets)
    database = connect_here(str(local.home / "weft.db"))
    database.execute("""UPDATE operator_secret SET hosts = '["https://evil.example"]'""")
    database.close()
    with pytest.raises(AuthenticationFailed) as caught:
        await resolve_secret_refs(
            local.engine, ORGANIZATION, kind.info(), ["https://evil.example"], {"token": REF}
        )
    assert CANARY not in str(caught.value)


async def test_replaced_secret_has_its_new_value_and_places(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource]
) -> None:
    await _put(secrets)
    await secrets.put("main", "new-value", sources=["scripted"], hosts=["b.example"])
    found = await resolve_secret_refs(
        local.engine, ORGANIZATION, kind.info(), ["https://b.example"], {"token": REF}
    )
    assert found == {"token": "new-value"}
    with pytest.raises(NotPermitted):
        await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], {"token": REF})


async def test_deleted_secret_is_unknown_and_its_data_key_is_gone(
    local: LocalHarness, secrets: NamedSecrets, kind: type[AnySource]
) -> None:
    await _put(secrets)
    assert await local.engine.store.data_keys.any()
    assert (await secrets.delete("main")).name == "main"
    assert not await local.engine.store.data_keys.any()
    with pytest.raises(NotFound):
        await resolve_secret_refs(local.engine, ORGANIZATION, kind.info(), [HOST], REF)
    with pytest.raises(NotFound):
        await secrets.delete("main")


@pytest.mark.parametrize(
    "change",
    [
        {"sources": []},
        {"sources": ["nobody"]},
        {"hosts": []},
        {"hosts": ["http://a.example"]},
        {"hosts": ["a.example/path"]},
        {"hosts": ["*.example"]},
        {"hosts": ["user@a.example"]},
        {"hosts": ["ftp://a.example"]},
        {"hosts": ["a.example:notaport"]},
        {"hosts": [""]},
    ],
)
async def test_secret_without_a_place_to_go_is_not_kept(
    secrets: NamedSecrets, change: dict[str, list[str]]
) -> None:
    with pytest.raises(WeftError) as caught:
        await _put(secrets, **change)
    assert CANARY not in str(caught.value)
    assert await secrets.list() == []


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("env:X", "x"), ("ok", "")])
async def test_bad_name_or_empty_value_is_not_kept(
    secrets: NamedSecrets, name: str, value: str
) -> None:
    with pytest.raises(InvalidInput):
        await secrets.put(name, value, sources=["scripted"], hosts=["a.example"])


def test_hosts_become_origins() -> None:
    given = [
        "A.example",
        "b.example:8443",
        "https://c.example:443/",
        "http://127.0.0.1:99",
        "[::1]",
        "postgresql://d.example:5432",
        "mysql://e.example:3307",
    ]
    assert parse_origins([*given, "a.example"]) == (
        "http://127.0.0.1:99",
        "https://[::1]",
        "https://a.example",
        "https://b.example:8443",
        "https://c.example",
        "mysql://e.example:3307",
        "postgresql://d.example",
    )


@pytest.fixture
def mapped_engine(local: LocalHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    (tmp_path / "value").write_text(f"{CANARY}\n")
    monkeypatch.setenv("MY_TOKEN", CANARY)
    where = {"sources": ("scripted",), "hosts": (HOST,)}
    secrets = {
        "from-env": MappedSecret(env="MY_TOKEN", file=None, **where),
        "from-file": MappedSecret(env=None, file=tmp_path / "value", **where),
        "unset": MappedSecret(env="MY_UNSET_TOKEN", file=None, **where),
        "gone": MappedSecret(env=None, file=tmp_path / "gone", **where),
    }
    return replace(local.engine, mapped_secrets={ORGANIZATION: secrets})


@pytest.mark.parametrize("name", ["from-env", "from-file"])
async def test_operator_may_keep_the_value_elsewhere(
    mapped_engine: Engine, kind: type[AnySource], name: str
) -> None:
    ref: Json = {"secret_ref": name}
    assert await resolve_secret_refs(mapped_engine, ORGANIZATION, kind.info(), [HOST], ref) == {
        "token": CANARY
    }
    with pytest.raises(NotPermitted):
        await resolve_secret_refs(
            mapped_engine, ORGANIZATION, kind.info(), ["https://evil.example"], ref
        )
    with pytest.raises(NotFound):
        await resolve_secret_refs(mapped_engine, "other", kind.info(), [HOST], ref)


@pytest.mark.parametrize("name", ["unset", "gone"])
async def test_empty_place_is_the_operator_s_to_mend(
    mapped_engine: Engine, kind: type[AnySource], name: str
) -> None:
    with pytest.raises(AuthenticationFailed, match=r"config\.toml"):
        await resolve_secret_refs(
            mapped_engine, ORGANIZATION, kind.info(), [HOST], {"secret_ref": name}
        )


async def test_list_shows_where_everything_is_and_who_uses_it_but_no_value(
    mapped_engine: Engine, secrets: NamedSecrets, local: LocalHarness
) -> None:
    await _put(secrets)
    made = await local.connect(auth={"direct": {"credentials": {"token": REF}}})
    listed = await NamedSecrets(mapped_engine, ORGANIZATION).list()
    assert [(one.name, one.origin) for one in listed] == [
        ("from-env", SecretOrigin.ENV),
        ("from-file", SecretOrigin.FILE),
        ("gone", SecretOrigin.FILE),
        ("main", SecretOrigin.STORED),
        ("unset", SecretOrigin.ENV),
    ]
    assert listed[3].used_by == (made.name,)
    assert CANARY not in repr(listed)


async def test_mapped_secret_is_neither_replaced_nor_deleted_here(mapped_engine: Engine) -> None:
    secrets = NamedSecrets(mapped_engine, ORGANIZATION)
    with pytest.raises(InvalidInput, match=r"config\.toml"):
        await secrets.delete("from-env")
    with pytest.raises(InvalidInput, match=r"config\.toml"):
        await secrets.put("from-env", "x", sources=["scripted"], hosts=["a.example"])


def _registry(engine: Engine) -> Any:
    kinds = {name: engine.registry.get(name) for name in engine.registry.names()}
    return type(engine.registry)([], {**kinds, "two": _Two})


async def _read_audit(local: LocalHarness) -> Any:
    return await local.engine.store.audit.list(connection_id=None, since=None, limit=100)


async def test_connection_keeps_the_reference_and_the_source_gets_the_value(
    local: LocalHarness, secrets: NamedSecrets
) -> None:
    received: list[str | None] = []

    async def check(token: str | None) -> str:
        received.append(token)
        return "reached"

    local.script.check = check
    await _put(secrets)
    made = await local.connect(auth={"direct": {"credentials": {"token": REF}}})
    assert received == [CANARY]
    assert await local.unseal_secret(made, HOST) == {"token": REF}
    await secrets.put("main", "rotated", sources=["scripted"], hosts=["a.example"])
    assert (await local.backend.connections.check(made.id)).ok
    assert received[-1] == "rotated", "the value is read when it is used"
    await secrets.delete("main")
    assert not (await local.backend.connections.check(made.id)).ok
    assert received[-1] == "rotated"
    for path in local.home.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()


async def test_endpoint_that_moves_gets_no_secret(
    local: LocalHarness, secrets: NamedSecrets
) -> None:
    await _put(secrets)
    made = await local.connect(auth={"direct": {"credentials": {"token": REF}}})
    with pytest.raises(NotPermitted):
        await local.backend.connections.update(
            made.id,
            ConnectionChange(
                config={"host": "https://evil.example"},
                auth=Auth(direct=DirectAuth(credentials={"token": REF})),
            ),
        )


async def test_data_key_of_a_connection_deleted_for_good_is_gone(
    local: LocalHarness, secrets: NamedSecrets
) -> None:
    made = await local.connect(auth={"direct": {"credentials": {"token": CANARY}}})
    stored = await local.read_sealed(made)
    assert await local.engine.store.data_keys.get(ORGANIZATION, made.id) is not None
    await local.backend.connections.delete(made.id, permanently=True)
    assert await local.engine.store.data_keys.get(ORGANIZATION, made.id) is None
    with pytest.raises(AuthenticationFailed):
        await local.engine.unseal(ORGANIZATION, made.id, HOST, stored)


async def test_secret_for_a_remote_api_may_serve_sources_that_are_unknown_here(
    local: LocalHarness,
) -> None:
    kept = NamedSecrets(local.engine, ORGANIZATION, any_source=True)
    made = await kept.put("s", "value", sources=["notion"], hosts=["api.airweave.ai"])
    assert made.sources == ("notion",)
    with pytest.raises(InvalidInput):
        await kept.put("s", "value", sources=["No Source"], hosts=["api.airweave.ai"])
