"""The dashboard as clients get it: one small page of its own, tied to tools, and never needed."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

import click
import pytest
from mcp.client import Client
from mcp_types import TextContent, TextResourceContents

from tests.support.server.fakes import Connect, FakeBackend
from weft.cli.app import cli
from weft.domain.access.permissions import Ceilings
from weft.server import apps
from weft.server.app import WeftServer
from weft.server.build import build_server

pytestmark = pytest.mark.anyio

PAGE_MAX_BYTES: Final = 76_000
PARTS = sorted(Path(apps.__file__).parent.glob("dashboard.*")) + sorted(
    Path(apps.__file__).parent.glob("*.js")
)
BOTH = {"host": apps.page_for_host(["list_jobs"]), "http": apps.page_for_browser(auth=True)}


def inside(page: str, tag: str) -> str:
    (found,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return found


async def read(connect: Connect) -> TextResourceContents:
    async with connect() as client:
        (content,) = (await client.read_resource(apps.DASHBOARD_URI)).contents
    assert isinstance(content, TextResourceContents)
    return content


async def test_dashboard_is_read_and_asks_for_no_domains(connect: Connect) -> None:
    content = await read(connect)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert content.meta == {"ui": {"csp": {}, "prefersBorder": True}}
    assert 'data-transport="host"' in content.text


async def test_extension_is_advertised(server: WeftServer) -> None:
    async with Client(server, mode="auto") as client:
        assert apps.EXTENSION_ID in (client.server_capabilities.extensions or {})


async def test_tools_that_show_it_still_say_everything_in_text(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
        shown = {tool.name for tool in tools if (tool.meta or {}).get("ui")}
        answer = await client.call_tool("list_connections", {})
    uris = {tool.meta["ui"]["resourceUri"] for tool in tools if tool.meta}
    assert shown == {"list_connections", "run_sync"}
    assert uris == {apps.DASHBOARD_URI}
    assert isinstance(answer.content[0], TextContent)
    assert "Docs Repo" in answer.content[0].text


async def test_page_knows_only_the_tools_that_are_offered(backend: FakeBackend) -> None:
    server = build_server(
        lambda _: backend.as_backend(), version="1", ceilings=Ceilings(read_only=True)
    )
    page = (await read(lambda: Client(server))).text
    (offered,) = re.findall(r'data-tools="([^"]*)"', page)
    assert "list_connections" in offered.split()
    assert not {"run_sync", "cancel_job"} & set(offered.split())


@pytest.mark.parametrize("page", BOTH.values(), ids=BOTH)
def test_page_is_small(page: str) -> None:
    assert len(page.encode()) <= PAGE_MAX_BYTES


def test_page_names_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"weft ((?:[a-z-]+ ?)+)", "\n".join(part.read_text() for part in PARTS)))
    assert named
    for words in named:
        assert find_command(words.split()), words


def find_command(words: list[str]) -> bool:
    """Tell whether the first of these words lead to a command of the CLI."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group):
            return True
        found = command.get_command(click.Context(command), word)
        if found is None:
            return False
        command = found
    return True


@pytest.mark.parametrize("page", BOTH.values(), ids=BOTH)
def test_page_loads_nothing(page: str) -> None:
    addresses = set(re.findall(r"""https?://[^\s"'`<)]+""", page))
    # Names of XML namespaces, which nothing is loaded from.
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?!data:)""", page)
    assert not re.search(r"@import|url\(", inside(page, "style"))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_no_text_is_ever_parsed_as_html_or_code(part: Path) -> None:
    text = part.read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.search(forbidden, text)


def test_policy_allows_exactly_the_script_and_style_of_the_page() -> None:
    policy = apps.browser_policy()
    for tag in ("script", "style"):
        digest = hashlib.sha256(inside(BOTH["http"], tag).encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}';" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_browser_is_told_whether_to_ask_for_a_token() -> None:
    assert 'data-auth="token"' in apps.page_for_browser(auth=True)
    assert 'data-auth="none"' in apps.page_for_browser(auth=False)
