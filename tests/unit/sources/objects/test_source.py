"""Buckets: what is read, what is passed over, and what is never deleted by mistake."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.sources import buckets
from tests.support.sources.buckets import BUCKET, KEY_ID, SECRET, Bucket
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import AccessDenied, AuthenticationFailed, InvalidInput, SourceMisconfigured
from weft.net.client import http_factory
from weft.sources.base import (
    Complete,
    Event,
    Failed,
    Incomplete,
    Named,
    Skipped,
    SourceContext,
    Unchanged,
    Unmatched,
)
from weft.sources.objects.source import FAILURES_IN_A_ROW_MAX, ObjectsSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, serve
from weft.testing.source_contract import SourceCase, events_of

pytestmark = pytest.mark.anyio

KEYS: Json = {"access_key_id": KEY_ID, "secret_access_key": SECRET}


class PagedObjects(ObjectsSource):
    """The source, with small pages."""

    page_size = 2


@pytest.fixture
def bucket() -> Bucket:
    return Bucket({"docs/one.md": b"# One\n", "docs/two.txt": b"two", "src/main.py": b"print()"})


@pytest.fixture
async def site(bucket: Bucket) -> AsyncGenerator[Site]:
    async with serve(buckets.s3(bucket)) as site:
        yield site


def case_of(site: Site, credentials: Json | None = None, **config: Any) -> SourceCase:
    given: Json = {"url": f"s3://{BUCKET}", "endpoint": site.url, **config}
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT))
    return SourceCase(PagedObjects, given, context, credentials=credentials or {})


async def read(site: Site, **config: Any) -> list[Event]:
    return await events_of(case_of(site, **config).make())


def downloads(site: Site) -> list[str]:
    """Return the keys that were asked for, not the pages."""
    return [t.removeprefix(f"/{BUCKET}/") for t in site.targets if "?" not in t]


def ids(events: list[Event]) -> list[str | None]:
    return [event.id for event in events if isinstance(event, Entity)]


async def test_folder_is_read_without_its_neighbours(bucket: Bucket, site: Site) -> None:
    bucket.objects |= {"docs2/three.txt": b"three", "docs": b"an object of the same name"}
    assert ids(await read(site, url=f"s3://{BUCKET}/docs/")) == ["docs/one.md", "docs/two.txt"]


async def test_single_object_is_read(bucket: Bucket, site: Site) -> None:
    bucket.objects["src/main.py.bak"] = b"old"
    events = await read(site, url=f"s3://{BUCKET}/src/main.py")
    assert ids(events) == ["src/main.py"]
    assert isinstance(events[-1], Complete)


async def test_single_object_that_holds_secrets_is_not_read(bucket: Bucket, site: Site) -> None:
    bucket.objects["gh/hosts.yml"] = b"oauth_token: x"
    events = await read(site, url=f"s3://{BUCKET}/gh/hosts.yml")
    assert [type(event) for event in events] == [Skipped, Complete]


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        (["*.md"], [], ["docs/one.md"]),
        (["docs/"], [], ["docs/one.md", "docs/two.txt"]),
        (["docs/**/*.txt"], [], ["docs/two.txt"]),
        ([], ["docs/"], ["src/main.py"]),
        ([], ["two.*", "/src"], ["docs/one.md"]),
        (["docs/", "!*.md"], [], ["docs/two.txt"]),
    ],
)
async def test_patterns_choose_keys_as_paths(
    site: Site, include: list[str], exclude: list[str], wanted: list[str]
) -> None:
    assert ids(await read(site, include=include, exclude=exclude)) == wanted


async def test_patterns_are_stored_from_the_folder_on(site: Site) -> None:
    case = case_of(site, url=f"s3://{BUCKET}/docs", include=[f"s3://{BUCKET}/docs/*.md", "./a.txt"])
    assert case.source.pin(case.make().config, case.context)["include"] == ["/*.md", "/a.txt"]
    for wrong in ("s3://another/*.md", "https://a.example/b", "md", "../a"):
        made = case.make(config={**case.config, "include": [wrong]})
        with pytest.raises(InvalidInput, match="include"):
            case.source.pin(made.config, case.context)


async def test_secrets_and_what_cannot_be_text_are_never_downloaded(
    bucket: Bucket, site: Site
) -> None:
    bucket.objects |= {
        "docs/.env": b"SECRET=1",
        ".aws/credentials.txt": b"SECRET=1",
        "photo.png": b"\x89PNG",
        "large.txt": b"x" * 200,
        "old.txt": b"archived",
        "a/../b.txt": b"cannot be asked for",
    }
    bucket.classes["old.txt"] = "DEEP_ARCHIVE"
    events = await read(site, max_file_size=100)
    skipped = {event.id: event.reason for event in events if isinstance(event, Skipped)}
    assert skipped.keys() == {"docs/.env", "photo.png", "large.txt", "old.txt", "a/../b.txt"}
    assert ids(events) == ["docs/one.md", "docs/two.txt", "src/main.py"]
    assert set(downloads(site)) == {"docs/one.md", "docs/two.txt", "src/main.py"}


async def test_unchanged_objects_are_not_downloaded_even_from_an_archive(
    bucket: Bucket, site: Site
) -> None:
    versions = {e.id: e.version or "" for e in await read(site) if isinstance(e, Entity)}
    bucket.classes["docs/one.md"] = "GLACIER"
    bucket.objects["src/main.py"] = b"changed"
    before = len(downloads(site))
    events = await events_of(case_of(site).make(known=versions))
    assert [type(event) for event in events[:3]] == [Unchanged, Unchanged, Entity]
    assert downloads(site)[before:] == ["src/main.py"]


async def test_object_that_may_not_be_read_fails_alone(bucket: Bucket, site: Site) -> None:
    bucket.denied.add("docs/two.txt")
    events = await read(site)
    assert [event.id for event in events if isinstance(event, Failed)] == ["docs/two.txt"]
    assert ids(events) == ["docs/one.md", "src/main.py"]
    assert isinstance(events[-1], Complete)


async def test_bucket_that_can_only_be_listed_fails_the_sync(bucket: Bucket, site: Site) -> None:
    bucket.objects = {f"{n:03}.txt": b"x" for n in range(FAILURES_IN_A_ROW_MAX + 1)}
    bucket.denied = set(bucket.objects)
    with pytest.raises(AccessDenied, match=r"24 objects in a row.*s3:GetObject.*exclude"):
        await events_of(case_of(site, KEYS).make())


@pytest.mark.parametrize("cut", [False, True])
async def test_object_that_changes_while_it_is_read_keeps_its_stored_copy(
    bucket: Bucket, cut: bool
) -> None:
    whole = buckets.s3(bucket)

    def handle(asked: HttpRequest) -> HttpReply:
        reply = whole(asked)
        if asked.path.endswith("two.txt"):
            reply = HttpReply(
                200, b"t" if cut else b"two", {"etag": bucket.tag("docs/two.txt") if cut else "new"}
            )
        return reply

    async with serve(handle) as site:
        events = await read(site)
    assert [event.id for event in events if isinstance(event, Failed)] == ["docs/two.txt"]


async def test_list_that_left_out_objects_deletes_none_of_them(bucket: Bucket, site: Site) -> None:
    stored = ["docs/one.md", "docs/two.txt", "gone.txt", "src/main.py"]
    bucket.hidden.add("docs/two.txt")
    events = await events_of(case_of(site).make(stored=stored))
    assert [event for event in events if isinstance(event, Incomplete)]
    bucket.hidden.clear()
    events = await events_of(case_of(site).make(stored=stored))
    assert not [event for event in events if isinstance(event, Incomplete)]


async def test_few_of_many_missing_objects_are_asked_for(bucket: Bucket, site: Site) -> None:
    stored = [f"gone/{n}" for n in range(1_000)]
    events = await events_of(case_of(site, exclude=["*.py"]).make(stored=[*stored, "src/main.py"]))
    heads = [asked.path for asked in site.requests if asked.method == "HEAD"]
    assert 10 < len(heads) <= 20
    assert f"/{BUCKET}/src/main.py" not in heads
    assert not [event for event in events if isinstance(event, Incomplete)]


async def test_endless_listing_ends(bucket: Bucket) -> None:
    def handle(_: HttpRequest) -> HttpReply:
        return HttpReply(
            200,
            b"<ListBucketResult><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>same</NextContinuationToken></ListBucketResult>",
        )

    async with serve(handle) as site:
        with pytest.raises(Exception, match="same page"):
            await read(site)


async def test_empty_page_in_the_middle_is_not_the_end(bucket: Bucket) -> None:
    whole = buckets.s3(bucket)

    def handle(asked: HttpRequest) -> HttpReply:
        if asked.query.get("list-type") and "continuation-token" not in asked.query:
            return HttpReply(
                200,
                b"<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
                b"<NextContinuationToken>a</NextContinuationToken></ListBucketResult>",
            )
        return whole(asked)

    async with serve(handle) as site:
        assert len(ids(await read(site))) == 3


async def test_preview_names_keys_and_patterns_that_fit_none(site: Site) -> None:
    source = case_of(site, include=["docs/", "dosc/*.md"]).make()
    found = [event async for event in source.preview()]
    assert [event.id for event in found if isinstance(event, Named)] == [
        "docs/one.md",
        "docs/two.txt",
    ]
    unmatched = [event for event in found if isinstance(event, Unmatched)]
    assert [(event.pattern, event.near) for event in unmatched] == [("dosc/*.md", "docs")]
    assert downloads(site) == []


async def test_servers_environment_is_not_used(
    bucket: Bucket, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of-the-server")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/etc/of-the-server")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert len(ids(await read(site))) == 3
    sent = " ".join(str(asked) for asked in site.requests)
    assert "of-the-server" not in sent
    assert "authorization" not in sent


FORBIDDEN = [
    *("http://127.0.0.1:9", "http://[::1]:9", "http://10.0.0.1", "http://169.254.169.254"),
    *("http://[fd00:ec2::254]", "http://metadata.example", "http://100.100.100.200"),
]


@pytest.mark.parametrize("endpoint", FORBIDDEN)
@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
async def test_private_and_metadata_addresses_are_not_reached(endpoint: str, scheme: str) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["169.254.169.254"]

    config: Json = {
        "url": f"{scheme}://{BUCKET}",
        "endpoint": endpoint,
        "account_name": "weftaccount",
    }
    context = SourceContext(http=http_factory((), clock=NO_WAIT, resolve=resolve))
    source = SourceCase(ObjectsSource, config, context).make()
    with pytest.raises(SourceMisconfigured) as raised:
        await source.check()
    assert raised.value.field == "endpoint"
    assert set(asked) <= {"metadata.example"}


@pytest.mark.parametrize(
    ("scheme", "credentials", "kind"),
    [
        ("s3", {"sas_token": buckets.SAS}, AuthenticationFailed),
        ("gs", KEYS, AuthenticationFailed),
        ("az", KEYS, AuthenticationFailed),
        ("s3", {**KEYS, "session_token": "a-session"}, SourceMisconfigured),
        ("az", {"sas_token": buckets.SAS}, SourceMisconfigured),
    ],
)
async def test_credentials_of_another_cloud_or_in_the_clear_are_not_sent(
    scheme: str, credentials: Json, kind: type[Exception]
) -> None:
    config: Json = {"url": f"{scheme}://{BUCKET}", "endpoint": "http://store.example"}
    config["account_name"] = "weftaccount"
    context = SourceContext(http=http_factory((), clock=NO_WAIT))
    source = SourceCase(ObjectsSource, config, context, credentials=credentials).make()
    with pytest.raises(kind) as raised:
        await source.check()
    assert not [value for value in credentials.values() if str(value) in str(raised.value)]


async def test_sync_of_a_store_that_hangs_can_be_cancelled(bucket: Bucket) -> None:
    whole = buckets.s3(bucket)

    def handle(asked: HttpRequest) -> HttpReply:
        reply = whole(asked)
        reply.hang = "?" not in asked.target
        return reply

    with anyio.fail_after(PATIENCE_SECONDS):
        async with serve(handle) as site, anyio.create_task_group() as group:
            group.start_soon(events_of, case_of(site).make())
            await wait_until(lambda: bool(downloads(site)))
            group.cancel_scope.cancel()
