"""Buckets of each cloud do what every source must do."""

from collections.abc import AsyncGenerator
from functools import cache
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.support.sources import buckets
from tests.support.sources.buckets import BUCKET, TOKEN, Bucket, key_file, listing_faults
from tests.support.sources.hostile.buckets import LISTING_JSON, LISTING_XML
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.objects.source import ObjectsSource
from weft.testing.http_faults import NO_WAIT, HttpFaults
from weft.testing.scripted_http import Site, serve
from weft.testing.source_contract import Change, SourceCase, SourceContract

HTTP = http_factory({"127.0.0.1"}, clock=NO_WAIT)


class PagedObjects(ObjectsSource):
    """The source, with small pages."""

    page_size = 3


ALL = {
    "docs/a b+c.md": b"# Guide\n\nHidden\xe2\x80\x8b and \xe2\x80\xaereversed\n",
    "docs/page.html": b"<html><title>A page</title><body><p>Text &amp; more</body></html>",
    "docs//twice.txt": b"two slashes",
    "docs/": b"",
    "data/image.png": b"\x89PNG\x00\x00",
    "data/\xfcber%20\x07.json": b'{"a": [1, 2]}',
    "a": b"one letter",
    ".env": b"SECRET=1\n",
}
FEW = {"a": b"one", "docs/one.md": b"# One\n", "docs/page.html": b"<title>Two", "z": b"last"}


def case_of(site: Site, bucket: Bucket, config: dict[str, Any], **options: Any) -> SourceCase:
    gone = "docs/page.html"

    async def mutate() -> Change:
        bucket.objects |= {"new.txt": b"new\n", "a": b"changed"}
        del bucket.objects[gone]
        return Change(frozenset({"new.txt", "a"}), frozenset({gone}))

    return SourceCase(
        PagedObjects,
        {"endpoint": site.url, **config},
        SourceContext(http=HTTP, allow_hosts=frozenset({"127.0.0.1"})),
        mutate=mutate,
        faults=HttpFaults(more=listing_faults()),
        **options,
    )


class TestS3(SourceContract):
    """A bucket of S3's language."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        credential = f"Credential={buckets.KEY_ID}/"
        bucket = Bucket(ALL.copy(), lambda asked: credential in asked.headers["authorization"])
        key = {"access_key_id": buckets.KEY_ID, "secret_access_key": buckets.SECRET}
        async with serve(buckets.s3(bucket)) as site:
            yield case_of(
                site,
                bucket,
                {"url": f"s3://{BUCKET}"},
                credentials=key,
                bad_credentials=key | {"access_key_id": "AKIAANOTHERKEY"},
                hostile=(LISTING_XML,),
            )


class TestAzure(SourceContract):
    """A container of Azure, with a shared access signature."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        bucket = Bucket(FEW.copy(), lambda asked: buckets.SAS in asked.target)
        async with serve(buckets.azure(bucket)) as site:
            yield case_of(
                site,
                bucket,
                {"url": f"az://{BUCKET}", "account_name": buckets.ACCOUNT},
                credentials={"sas_token": f"?{buckets.SAS}"},
                bad_credentials={"sas_token": buckets.SAS.replace("sp=rl", "sp=w")},
                hostile="Its parser is that of S3's listing, above.",
            )


class TestGoogle(SourceContract):
    """A bucket of Google."""

    @pytest.fixture
    async def case(self, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[SourceCase]:
        # To read a key takes 40 ms, and the faults are tried some hundred times.
        monkeypatch.setattr(RSAKey, "import_key", cache(RSAKey.import_key))
        bucket = Bucket(FEW.copy(), lambda asked: TOKEN in asked.headers["authorization"])
        async with serve(buckets.gcs(bucket)) as site:
            token_uri = f"{site.url}/token"
            yield case_of(
                site,
                bucket,
                {"url": f"gs://{BUCKET}"},
                credentials={"service_account_key": key_file(buckets.ACCOUNT_EMAIL, token_uri)},
                bad_credentials={"service_account_key": key_file("other@a.example", token_uri)},
                hostile=(LISTING_JSON,),
            )
