// What was synced, found while somebody types.

const TYPING_MS = 250;
const HITS = 10;
const HITS_MAX = 50;
const LEAD = 200;
const PASSAGE = 360, BEFORE = 120;
const READ_CHARS = 4000;

let sought = "", asked = 0, seekTimer, hitsCursor = null;

const isSearching = () => Boolean(sought);

/** The word that is being typed stands for all that begin so. */
const asTyped = (text) => (/[\p{L}\p{N}]{3,}$/u.test(text) && !text.includes('"') ? `${text}*` : text);

function typed() {
  clearTimeout(seekTimer);
  seekTimer = setTimeout(seek, TYPING_MS);
}

async function seek() {
  clearTimeout(seekTimer);
  const text = $("query").value;
  if (!text.trim()) return stopSearch();
  if (text === sought) return;
  sought = text;
  await showHits();
}

function stopSearch() {
  clearTimeout(seekTimer);
  asked++;
  sought = "";
  $("query").value = "";
  $("hits").replaceChildren();
  $("found").hidden = true;
  $("board").hidden = !loaded;
}

/** Ask for a page of hits; an answer that somebody has typed past is dropped. */
async function showHits(cursor) {
  const turn = ++asked;
  $("found").setAttribute("aria-busy", "true");
  $("found").hidden = false;
  $("board").hidden = true;
  const { readable_collection_id: scope } = filter;
  const args = { query: asTyped(sought), limit: HITS,
    ...(scope && { readable_collection_id: scope }), ...(cursor && { cursor }) };
  let data = {}, problem = "";
  try {
    data = await server.call("search", args);
  } catch (error) {
    if (lost(error)) return;
    problem = error.message;
  }
  if (turn !== asked) return;
  $("found").setAttribute("aria-busy", "false");
  const hits = data.hits || [];
  const items = hits.map((hit) => hitOf(hit, args.query));
  if (cursor) $("hits").append(...items);
  else $("hits").replaceChildren(...items);
  const shown = $("hits").children.length;
  hitsCursor = shown < HITS_MAX ? data.next_cursor : null;
  $("more-hits").hidden = !hitsCursor;
  const how = data.by_meaning ? "by meaning and words" : data.matched === "all" ? "with all words" : "with some or all of the words";
  const told = problem || (shown ? `${count(shown)}${data.next_cursor ? " or more" : ""} found ${how}, best first` : "Nothing fits. Fewer or other words may.");
  $("hits").hidden = !shown;
  say($("how"), told);
  $("how").classList.toggle("fault", Boolean(problem));
  say($("hits-note"), (data.notes || []).join(" "));
  announce(told);
  if (cursor && items[0]) items[0].querySelector("button, a")?.focus();
}

function hitOf(hit, query) {
  const { untrusted: { title, type, snippet, path, url }, strength } = hit;
  const key = `h-${hit.entity_id}-${asked}`;
  const heading = h("h3", { id: key }, marked(title || path || hit.entity_id, query));
  const copies = hit.copies?.length;
  const place = url && openable(url);
  const where = place && !inHost
    ? h("a", { href: place.href, target: "_blank", rel: "noopener noreferrer" }, foreign(url)) : foreign(url || path || "");
  const facts = [h("span", null, foreign(type)), h("span", null, foreign(hit.connection_name)),
    hit.updated_at && h("span", null, "updated ", when(hit.updated_at)), hit.live && h("span", null, "searched live"),
    copies && h("span", null, `${many(copies, "copy", "copies")} folded`), (url || path) && h("span", { class: "where" }, where)];
  const text = h("div", { class: "text scroll", id: `${key}-t`, tabindex: "0", role: "region",
    "aria-labelledby": key, hidden: true });
  const read = offered.has("get_entity") && !hit.live && h("button", { type: "button", id: `${key}-r`, "aria-expanded": "false",
    "aria-controls": `${key}-t`, "aria-labelledby": `${key}-r ${key}`, onclick: () => readHit(hit, query, read, text) }, "Read");
  const badge = strength && h("span", { class: `badge ${strength === "strong" ? "active" : ""}` }, strength);
  return h("li", { class: "hit" },
    h("div", { class: "who" }, h("div", { class: "name" }, heading, badge || null),
      h("p", { class: "facts" }, facts.filter(Boolean)),
      h("p", { class: "passage" }, marked(around(snippet || "", query), query))),
    h("div", { class: "do" }, read || null), text);
}

/** As much of a passage as a list shows, with the first of what was looked for in it. */
function around(passage, query) {
  const [first] = findIn(passage, readQuery(query));
  const near = Math.max(0, (first?.[0] || 0) - BEFORE);
  const begin = near && passage.indexOf(" ", near) + 1;
  const shown = passage.slice(begin, begin + PASSAGE);
  return `${begin ? "… " : ""}${shown}${begin + PASSAGE < passage.length ? " …" : ""}`;
}

/** Show the text from a little before the passage. */
async function readHit(hit, query, button, box) {
  box.hidden = !box.hidden;
  button.setAttribute("aria-expanded", String(!box.hidden));
  if (box.hidden || box.textContent) return;
  const offset = Math.max(0, (hit.offset || 0) - LEAD);
  say(box, "Loading …");
  try {
    const data = await server.call("get_entity", { entity_id: hit.entity_id, offset, max_chars: READ_CHARS });
    const { text } = data.untrusted;
    box.replaceChildren(offset ? "… " : "", marked(text.trimStart(), query), data.next_offset ? " …" : "");
  } catch (error) {
    if (lost(error)) return;
    say(box, error.message);
  }
}

function offerSearch() {
  $("search").hidden = !offered.has("search");
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  seek();
});
$("query").addEventListener("input", typed);
$("more-hits").addEventListener("click", () => showHits(hitsCursor));
document.addEventListener("keydown", (event) => {
  const inField = event.target.closest?.("input, textarea, select");
  if (event.key === "/" && !inField && !$("search").hidden && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("query").focus();
  } else if (event.key === "Escape" && isSearching() && !event.isComposing) {
    stopSearch();
    $("query").focus();
  }
});
