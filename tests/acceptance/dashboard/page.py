"""The dashboard in a real browser, alone or in the frame of a small MCP host, and looks at it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp_types import TextResourceContents
from playwright.async_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, expect

from tests.acceptance.browsers import WAIT_MS
from tests.acceptance.weft_http import HttpServer
from tests.acceptance.weft_process import Agent, Structured

expect.set_options(timeout=WAIT_MS)
# Long enough to be seen, and to be cancelled.
SLOW = {"entities": 60, "rate": 30, "page_size": 5}
ENDLESS = {"entities": 100_000, "rate": 20, "page_size": 5}
# The policy that the specification gives hosts for a page that names no domains.
HOST_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src 'none'"
)
HOST = """
<!doctype html><title>Host</title><iframe id="app" sandbox="allow-scripts" width="900"></iframe>
<script>
const frame = document.getElementById("app");
window.seen = [];
window.unanswered = 0;
window.offers = { serverTools: {}, message: { text: {} } };
const post = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
window.tell = (method, params) => post({ method, params });
const answers = {
  "ui/initialize": async () => ({
    protocolVersion: "2026-01-26", hostInfo: { name: "test-host", version: "1" },
    hostCapabilities: window.offers,
    hostContext: { theme: "dark", displayMode: "inline", timeZone: "UTC" },
  }),
  "tools/call": ({ name, arguments: given }) => window.forward(name, given || {}),
  "ui/message": async () => ({}),
  "ui/open-link": async () => window.opens,
};
window.addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  window.seen.push(data);
  if (data.method === "ui/notifications/size-changed") frame.height = data.params.height;
  if (data.id === undefined || !data.method) return;
  const answer = answers[data.method];
  if (!answer) post({ id: data.id, error: { code: -32601, message: "unknown" } });
  else {
    unanswered++;
    post({ id: data.id, result: await answer(data.params) });
    unanswered--;
  }
});
window.show = (html) => { frame.srcdoc = html; };
</script>
"""

# Imitates a browser whose tab is hidden or shown again.
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""

# Controls, pictures and regions without a name that a screen reader could say.
UNNAMED = """() => {
  const named = (e) => e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length ||
    (e.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean)
      .every((id) => document.getElementById(id)?.textContent.trim());
  const all = "button, input, [role=img], [role=progressbar], [role=region], a, [tabindex='0']";
  return [...document.querySelectorAll(all)].filter((e) => e.checkVisibility() && !named(e))
    .map((e) => e.outerHTML.slice(0, 120));
}"""

# Visible text whose contrast with what is behind it is below 4.5 to 1.
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] > 250) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest("svg, .sr, script, style")) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${e.className} ${e.textContent.slice(0, 40)}`);
  }
  return faint;
}"""


@asynccontextmanager
async def open_checked_page(browser: Browser, **options: Any) -> AsyncGenerator[Page]:
    """Open a page, and fail if it logs an error."""
    context = await browser.new_context(**options)
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    # A handler that still rewrites an answer would fail when its page goes.
    await page.unroute_all(behavior="wait")
    await context.close()
    assert not complaints


async def log_in(page: Page, server: HttpServer, token: str | None = None) -> None:
    """Open the server's address, give the token and wait for the list."""
    await page.goto(server.url)
    await page.get_by_label("Access token").fill(token or server.token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Connections")).to_be_visible()


def row_of(page: Page | FrameLocator, name: str) -> Locator:
    """Return the list item of this connection."""
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name)).first


async def open_framed(page: Page, agent: Agent, opens: object = None) -> FrameLocator:
    """Open the dashboard in a host's frame, and wait for the handshake.

    ``opens`` is the host's answer to a request to open a link; without it the host offers no links.
    """
    (content,) = (await agent.client.read_resource("ui://weft/dashboard")).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/html;profile=mcp-app"

    async def forward(name: str, arguments: Mapping[str, Any]) -> Any:
        result = await agent.call(name, **arguments)
        return result.model_dump(by_alias=True, exclude_none=True, mode="json")

    # Playwright does not say what such a function returns.
    await page.expose_function("forward", forward)  # pyright: ignore[reportUnknownMemberType]
    await page.set_content(HOST)
    if opens is not None:
        await page.evaluate("(a) => { window.opens = a; window.offers.openLinks = {}; }", opens)
    policy = f'<head><meta http-equiv="Content-Security-Policy" content="{HOST_POLICY}">'
    await page.evaluate("(html) => show(html)", content.text.replace("<head>", policy, 1))
    await page.wait_for_function("seen.some((m) => m.method === 'ui/notifications/initialized')")
    hello = await page.evaluate("seen.find((m) => m.method === 'ui/initialize').params")
    assert hello["protocolVersion"] == "2026-01-26"
    assert hello["appInfo"]["name"] == "weft-dashboard"
    return page.frame_locator("#app")


async def connection(agent: Agent, name: str, **config: object) -> Structured:
    """A new stub connection in this organisation."""
    if not (await agent.ok("list_collections")).items:
        await agent.ok("create_collection", name="Team documents", readable_id="docs")
    (collection,) = (await agent.ok("list_collections")).items
    return await agent.connection(collection["readable_id"], name=name, config=config)
