// What the server counts over all connections, whatever this page has loaded, and the way to those
// that need somebody.

let totals = null;

const atLeast = (isPartial, text) => (isPartial ? `at least ${text}` : text);
const needing = (number) => `${count(number)} need${number === 1 ? "s" : ""} attention`;
const isFiltered = () => Object.keys(filter).length > 0;

/** Ask for the totals anew, after something that changes them. */
async function recount() {
  const { status: _, needs_attention: __, ...scope } = filter;
  try {
    totals = (await server.call("list_connections", { limit: 1, ...scope })).totals;
  } catch (error) {
    if (!lost(error)) notice(error.message, "Try again", () => refresh());
  }
  drawSummary();
}

function drawSummary() {
  const known = loaded && totals?.connections ? totals : null;
  const { needs_attention: needs, syncing } = known || {};
  const parts = known && [
    atLeast(known.is_partial, many(known.connections, "connection")), entities(known.entities),
    syncing && `${count(syncing)} syncing`, needs && atLeast(known.attention_is_partial, needing(needs)),
  ];
  say($("summary"), (parts || []).filter(Boolean).join(" · "));
  const shows = needs && !filter.needs_attention && (nextCursor || states.size > needs);
  $("needing").hidden = !shows;
  if (shows) say($("needing"), "Show only what needs attention");
  say($("board-title"), filter.needs_attention ? "Connections that need attention" : "Connections");
}

/** What stands in the place of an empty list. */
function nothing() {
  const filtered = isFiltered();
  const how = filtered ? ["The list was asked for with a filter, and no connection fits it."]
    : inHost ? ["Ask the assistant to connect a folder, a repository, a website or another source."]
    : ["Ask your agent to connect something, or run ", h("code", null, "weft connections create"), " in a terminal."];
  return h("div", { class: "empty" },
    svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
      svg("path", { d: "M8 4v4m0 4v8M16 4v8m0 4v4M4 8h8m4 0h4M4 16h4m4 0h8" })),
    h("h3", null, filtered ? "Nothing fits that filter" : "Nothing is connected yet"),
    h("p", { class: "dim" }, how));
}
