"""Azure: signatures as its own library makes them, and what refusals say."""

from datetime import UTC, datetime

import httpx
import pytest

from tests.support.sources.buckets import (
    ACCOUNT,
    ACCOUNT_KEY,
    BUCKET,
    SAS,
    azure_error,
)
from weft.errors import AccessDenied, AuthenticationFailed, SourceMisconfigured, WeftError
from weft.sources.objects.azure import AzureStore, SharedAccessSignature, SharedKey

pytestmark = pytest.mark.anyio

AT = f"https://{ACCOUNT}.blob.core.windows.net/{BUCKET}"
LIST = "comp=list&marker=a%2Fb%20c%2B&maxresults=500&prefix=docs%2F%C3%BC&restype=container"
# Made by SharedKeyCredentialPolicy of azure-storage-blob 12.31.1.
SIGNATURES = {
    ("GET", f"{AT}?{LIST}"): "z03H8js1CnIytyJNNNaZos+9OTG6PMMgA53Sr5PEygc=",
    ("GET", f"{AT}/docs/a%20b%2Bc.md"): "U/SodnILBraWqhB02ouD3zkVBHIzKnS5rc+XYHlvvcs=",
    ("HEAD", f"http://127.0.0.1:10000/{ACCOUNT}/{BUCKET}/docs//%C3%BC.txt"): (
        "SA4BsIAdc9Yns+ZEUqNcvl3+4vxpk0YjoeyUC95xPbs="
    ),
}
THEN = datetime(2026, 2, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("asked", SIGNATURES)
def test_signature_is_that_of_the_vendors_library(asked: tuple[str, str]) -> None:
    auth = SharedKey(ACCOUNT, ACCOUNT_KEY, now=lambda: THEN)
    headers = {"x-ms-version": "2021-08-06"}
    request = next(auth.auth_flow(httpx.Request(*asked, headers=headers)))
    assert request.headers["authorization"] == f"SharedKey {ACCOUNT}:{SIGNATURES[asked]}"


@pytest.mark.parametrize("token", [SAS, f"?{SAS}"])
def test_shared_access_signature_is_added_to_the_address(token: str) -> None:
    auth = SharedAccessSignature(token)
    for url, joined in ((f"{AT}/a", "?"), (f"{AT}?comp=list", "&")):
        request = next(auth.auth_flow(httpx.Request("GET", url)))
        assert str(request.url) == f"{url}{joined}{SAS}"


REFUSALS = {
    "ContainerNotFound": (404, SourceMisconfigured, "no such container"),
    "ResourceNotFound": (404, SourceMisconfigured, "not public"),
    "AuthenticationFailed": (403, AuthenticationFailed, "account key"),
    "AuthorizationFailure": (403, AccessDenied, "sp=rl"),
    "AuthorizationPermissionMismatch": (403, AccessDenied, "sp=rl"),
    "PublicAccessNotPermitted": (409, AccessDenied, "not public"),
}


async def list_with(answer: httpx.Response, *, is_anonymous: bool = False) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
        await AzureStore(client, AT, is_anonymous=is_anonymous).list_page("", None, 10)


@pytest.mark.parametrize("code", REFUSALS)
async def test_refusal_says_what_to_mend(code: str) -> None:
    status, kind, word = REFUSALS[code]
    said = azure_error(status, code)
    with pytest.raises(kind, match=word):
        await list_with(httpx.Response(status, headers=dict(said.headers), content=said.body))


async def test_account_without_public_access_asks_for_credentials() -> None:
    said = azure_error(409, "PublicAccessNotPermitted")
    with pytest.raises(AuthenticationFailed, match="without credentials"):
        await list_with(httpx.Response(409, content=said.body), is_anonymous=True)


async def test_listing_that_does_not_say_whether_there_is_more_is_not_believed() -> None:
    body = b"<EnumerationResults><Blobs></Blobs></EnumerationResults>"
    with pytest.raises(WeftError, match="whether there is more"):
        await list_with(httpx.Response(200, content=body))


async def test_folders_of_accounts_with_real_folders_are_no_objects() -> None:
    blobs = (
        "<Blob><Name>docs</Name><Properties><Content-Length>0</Content-Length>"
        "<ResourceType>directory</ResourceType></Properties></Blob>"
        '<Blob><Name Encoded="true">docs%2Fa%01.txt</Name><Properties>'
        "<Content-Length>1</Content-Length><ResourceType>file</ResourceType></Properties></Blob>"
    )
    body = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body.encode()))
    async with httpx.AsyncClient(transport=transport) as client:
        page = await AzureStore(client, AT, is_anonymous=True).list_page("", None, 10)
    assert [listed.key for listed in page.objects] == [b"docs/a\x01.txt"]
    assert page.following is None
