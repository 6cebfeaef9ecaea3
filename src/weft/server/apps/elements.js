// Elements, formats and the chart. What a source or a person wrote becomes text nodes and nothing
// else: nowhere is a string parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const LIVE = new Set(["PENDING", "RUNNING", "CANCELLING"]);
const SLOTS = 20;

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}
const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Text of foreign origin, whose direction of writing must not reach what is beside it. */
const foreign = (text) => h("bdi", null, String(text));

/** Change an element only if it says something else, so that screen readers are left in peace. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const count = (number) => (number || 0).toLocaleString("en");
const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
const entities = (number) => many(number, "entity", "entities");

function duration(seconds) {
  if (seconds === undefined || seconds === null) return "";
  if (seconds < 0.95) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 59.5) return `${seconds < 10 && !Number.isInteger(seconds) ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3570) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
function ago(moment) {
  const seconds = (Date.parse(moment) - Date.now()) / 1000;
  const size = Math.abs(seconds);
  if (size < 5) return seconds > 0 ? "now" : "just now";
  if (size < 60) return RELATIVE.format(Math.round(seconds), "second");
  if (size < 3600) return RELATIVE.format(Math.round(seconds / 60), "minute");
  if (size < 86400) return RELATIVE.format(Math.round(seconds / 3600), "hour");
  return RELATIVE.format(Math.round(seconds / 86400), "day");
}

const style = { dateStyle: "medium", timeStyle: "medium" };
function exact(moment) {
  return moment === undefined ? "time not told" : new Date(moment).toLocaleString("en", { ...style, timeZone: zone });
}
let zone;

const when = (moment) => moment === undefined ? "time not told"
  : h("time", { datetime: moment, title: exact(moment) }, ago(moment));

const startOf = (job) => job.started_at || job.created_at || job.completed_at;
const isLive = (job) => LIVE.has(job?.status);

/** What a job changed, in words. */
function changes(job) {
  const parts = [
    [job.entities_inserted, "inserted"],
    [job.entities_updated, "updated"],
    [job.entities_deleted, "deleted"],
    [job.entities_skipped, "skipped"],
    [job.entities_failed, "failed"],
    [job.deletions_held, `${job.deletions_held === 1 ? "deletion" : "deletions"} held`],
  ].filter(([number]) => number).map(([n, what]) => `${count(n)} ${what}`);
  if (job.incomplete) parts.push("the listing had gaps");
  for (const { kind, message } of job.warnings || [])
    if (["nothing_read", "limit", "older", "dead_links", "empty"].includes(kind)) parts.push(message);
  return parts.length ? parts.join(", ") : "no changes";
}

const STATES = {
  active: "Active", syncing: "Syncing", error: "Error", inactive: "Paused",
  needs_reauth: "Needs new credentials", pending_auth: "Waits for authorisation",
  PENDING: "Queued", RUNNING: "Syncing", CANCELLING: "Cancelling",
};

/** Columns from old to new: what each job changed above the line, how long it took below. */
function chart(jobs) {
  const width = 206, line = 31, high = 27, low = 13;
  const step = width / SLOTS;
  const shown = jobs.slice(0, SLOTS).reverse();
  const total = (j) => j.entities_inserted + j.entities_updated + j.entities_deleted;
  const most = Math.max(1, ...shown.map(total));
  const longest = Math.max(0.001, ...shown.map((j) => j.duration_seconds || 0));
  const root = svg("svg", {
    class: ["chart none", "chart few"][shown.length] || "chart", viewBox: `0 0 ${width} 46`, preserveAspectRatio: "none", role: "img",
    "aria-label": history(shown),
  });
  // The newest is at the right edge, whatever there is before it.
  const first = SLOTS - shown.length;
  for (let slot = 0; slot < first; slot++)
    root.append(svg("rect", { class: "ghost", x: slot * step + 2, y: line - 1.5, width: step - 4, height: 3, rx: 1.5 }));
  shown.forEach((job, place) => {
    const slot = first + place;
    const x = slot * step + 1.5, wide = step - 3;
    const bar = (kind, y, height) =>
      svg("rect", { class: kind, x, y, width: wide, height, rx: Math.min(1.5, height / 2) });
    const column = svg("g", null, svg("title", null, described(job)),
      svg("rect", { class: "hit", x: slot * step, y: 0, width: step, height: 46 }));
    // The square root keeps a small change visible beside the first sync of everything.
    const height = Math.sqrt(total(job) / most) * high;
    let y = line - 1;
    for (const kind of ["inserted", "updated", "deleted"]) {
      const part = total(job) ? (job[`entities_${kind}`] / total(job)) * height : 0;
      if (part > 0) column.append(bar(kind, (y -= Math.max(part, 1)), Math.max(part, 1)));
    }
    const below = Math.max(1.5, Math.sqrt((job.duration_seconds || 0) / longest) * low);
    const kind = job.status === "FAILED" ? "fault" : isLive(job) ? "running" : "time";
    column.append(bar(kind, line + 1, isLive(job) ? 4 : below));
    if (job.status === "FAILED") column.append(bar("fault", line - 4, 3));
    root.append(column);
  });
  root.append(svg("line", { class: "base", x1: first * step, x2: width, y1: line, y2: line }));
  return root;
}

function described(job) {
  const took = job.duration_seconds === undefined ? "" : ` in ${duration(job.duration_seconds)}`;
  return `${exact(startOf(job))}: ${job.status.toLowerCase()}${took}, ${changes(job)}`;
}

function history(shown) {
  if (!shown.length) return "No syncs yet";
  const last = shown[shown.length - 1];
  const failed = shown.filter((job) => job.status === "FAILED").length;
  return `Last ${many(shown.length, "sync", "syncs")}, ${count(failed)} failed. ` +
    `Newest: ${described(last)}`;
}

function legend() {
  const kinds = [["inserted", "inserted"], ["updated", "updated"], ["deleted", "deleted"],
    ["time", "duration"], ["fault", "failed"]];
  return kinds.map(([kind, word]) => h("span", null, h("i", { class: kind }), word));
}
