// How the page begins: after a person has logged in, or with a host that opened it.

const TOKEN_KEY = "weft-token";
const ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect width='24' height='24' rx='6' fill='%235b53e0'/%3E%3Cpath d='M8 4v4m0 4v8M16 4v8m0 4v4M4 8h8m4 0h4M4 16h4m4 0h8' stroke='white' stroke-width='2.6' stroke-linecap='round'/%3E%3C/svg%3E";

function begin(tools) {
  offered = new Set(tools);
  stopped = false;
  $("login").hidden = true;
  $("refresh").hidden = false;
  offerSearch();
  $("legend").replaceChildren(...legend());
}

function logOut(reason) {
  stopped = true;
  sessionStorage.removeItem(TOKEN_KEY);
  for (const { row } of states.values()) row.element.remove();
  states.clear();
  loaded = false;
  stopSearch();
  $("search").hidden = $("board").hidden = $("refresh").hidden = $("leave").hidden = true;
  say($("summary"), "");
  $("login").hidden = false;
  notice(reason);
  $("token").focus();
}

async function logIn(token) {
  const candidate = httpTransport(token);
  let begun = false;
  await guarded(async () => {
    const tools = await candidate.tools();
    server = candidate;
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    $("token").value = "";
    $("leave").hidden = !token;
    begin(tools);
    begun = true;
  });
  // Outside of it, because what goes wrong there is not over when this is done.
  if (begun) await refresh();
}

function beginOverHttp() {
  // A page in a frame has no icon, and its host may forbid even this address.
  document.head.append(h("link", { rel: "icon", href: ICON }));
  $("login").addEventListener("submit", (event) => {
    event.preventDefault();
    logIn($("token").value.trim()).then(() => {
      // Whoever went on while the rest was loading keeps the focus where they are.
      if (loaded && document.activeElement === document.body) $("board-title").focus();
    });
  });
  $("leave").addEventListener("click", () => logOut());
  setInterval(() => {
    if (loaded && isAwake() && !following) refresh();
  }, IDLE_MS);
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (AUTH === "none") logIn("");
  else if (token) logIn(token);
  else {
    $("login").hidden = false;
    $("token").focus();
  }
}

function dress({ theme, styles, timeZone, safeAreaInsets: edge }) {
  if (theme) document.documentElement.dataset.theme = theme;
  if (timeZone) zone = timeZone;
  for (const [name, value] of Object.entries(styles?.variables || {}))
    if (name.startsWith("--") && value) document.documentElement.style.setProperty(name, value);
  if (edge) document.documentElement.style.padding =
    `${edge.top}px ${edge.right}px ${edge.bottom}px ${edge.left}px`;
}

/** Show what the host's own call gave, and begin from there. */
function shownByCall(result) {
  let data;
  try {
    data = outcome(result);
  } catch (error) {
    notice(error.message);
    return refresh();
  }
  if (data.source_connection_id) return refresh().then(() => openJob(data));
  return refresh(isListOfConnections(data) ? { page: data } : {});
}

const isListOfConnections = ({ items }) =>
  Array.isArray(items) && items.every((item) => item.readable_collection_id && item.status);

function openJob(job) {
  const state = stateOf(job.source_connection_id);
  if (!state) return;
  if (!isLive(job)) state.row.toggle(true);
  state.row.element.scrollIntoView({ block: "nearest" });
}

function choose(wanted) {
  wake();
  filter = wanted;
  $("board-title").focus();
  refresh();
}

async function beginInHost() {
  let began = false;
  const handlers = {
    "ui/notifications/tool-input": ({ arguments: given = {} }) => {
      const { readable_collection_id, short_name, status, needs_attention } = given;
      filter = JSON.parse(JSON.stringify(
        { readable_collection_id, short_name, status, needs_attention: needs_attention || undefined }));
    },
    "ui/notifications/tool-result": (result) => {
      began = true;
      wake();
      shownByCall(result);
    },
    "ui/notifications/tool-cancelled": () => refresh(),
    "ui/notifications/host-context-changed": (context) => dress(context),
    "ui/resource-teardown": () => {
      stopped = true;
    },
  };
  server = hostTransport(handlers);
  begin((TOOLS || "").split(" "));
  await guarded(async () => {
    host = await server.request("ui/initialize", {
      protocolVersion: "2026-01-26",
      appInfo: { name: "weft-dashboard", title: "Weft", version: "1" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    });
    dress(host.hostContext || {});
    server.notify("ui/notifications/initialized");
    // Any width does, so that the host is asked for a height only.
    new ResizeObserver(() => server.notify("ui/notifications/size-changed", {
      height: Math.ceil(document.documentElement.getBoundingClientRect().height),
    })).observe(document.documentElement);
  });
  // The result of the call that opened this page follows; a host that opens it without one is
  // not waited for.
  await pause(1500);
  if (!began && !loaded && host.protocolVersion) refresh();
}

$("refresh").addEventListener("click", () => { wake(); refresh(); });
$("more").addEventListener("click", loadMore);
$("all").addEventListener("click", () => choose({}));
$("needing").addEventListener("click", () => choose({ ...filter, needs_attention: true }));
for (const sign of ["pointerdown", "keydown"]) document.addEventListener(sign, wake);
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !loaded || stopped) return;
  wake();
  refresh();
});
setInterval(() => {
  if (!document.hidden && loaded) drawAll();
}, 30000);

if (inHost) beginInHost();
else beginOverHttp();
