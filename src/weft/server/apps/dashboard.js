// What the page knows, how it stays true while something runs, and what is drawn of it.

const PAGE = 30;
const JOBS = 100;
const FOLLOWED_AT_ONCE = 3;
const PAUSE_MS = 2000;
const IDLE_MS = 10000;
const LOOK_MS = 400;
const YOUNG_MS = 5000;
// Someone who has left the page open for so long is not looking: it stops asking until they do.
const PATIENCE_MS = 30 * 60 * 1000;

const $ = (id) => document.getElementById(id);
const { transport: WAY, auth: AUTH, tools: TOOLS } = document.documentElement.dataset;
const inHost = WAY === "host";

const KINDS = { cancel_job: "danger", authorize_connection: "primary" };

let server, offered = new Set(), host = {};
let filter = {}, nextCursor = null, stopped = false, following = false, attending = false, loaded = false;
let lastSign = Date.now(), dueTimer;
const states = new Map();

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const stateOf = (id) => states.get(id);
const liveJobs = () => [...states.values()].map((s) => s.jobs[0]).filter(isLive);
const isAwake = () => !stopped && !document.hidden && Date.now() - lastSign < PATIENCE_MS;

const app = {
  /** A button that calls a tool; null when this caller is not offered the tool. */
  button(label, tool, onclick, spoken, key, name = tool) {
    if (!offered.has(tool)) return null;
    const id = `${key}-${name}`;
    return h("button", { type: "button", class: KINDS[tool], id, title: label,
      "aria-labelledby": `${id} ${key}`, onclick }, label);
  },
  sync: (id) => act(id, async (state) => {
    const job = await server.call("run_sync", { connection_id: id });
    keep(state, job);
    announce(`Sync of ${state.connection.name} started.`);
  }),
  /** The first press shows what would go, the second one deletes it. */
  applyDeletions: (id) => act(id, async (state) => {
    const token = state.preview?.confirmation_token;
    state.preview = null;
    const answer = await server.call("run_sync",
      { connection_id: id, apply_deletions: true, ...(token && { confirmation_token: token }) });
    if (answer.id) {
      keep(state, answer);
      return announce(`Sync of ${state.connection.name} started; it makes the deletions.`);
    }
    if (answer.confirmation_token) state.preview = answer;
  }),
  cancel: (id) => act(id, async (state) => {
    if (state.jobs[0].status === "CANCELLING") return;
    keep(state, await server.call("cancel_job", { job_id: state.jobs[0].id }));
    announce(`Cancelling the sync of ${state.connection.name}.`);
  }),
  inHost,
  may: (tool) => offered.has(tool),
  authorise: (id) => act(id, async (state) => {
    const full = await server.call("authorize_connection", { connection_id: id });
    refreshed(state, full);
    if (!NEEDS[full.status]) return authorised(state);
    const { auth_url: url, auth_url_expires: expires } = full.auth || {};
    if (!url) throw new Refused("The server gave no link. Ask your assistant how to authorise it.");
    state.link = { url, expires, opened: await openedByHost(url) };
    draw(id);
    state.row.focusLink();
  }),
  open: (id) => act(id, async (state) => {
    const opened = await openedByHost(state.link.url);
    if (!opened && state.link) state.link = { ...state.link, opened };
  }),
  async loadDetails(id) {
    const state = stateOf(id);
    const last = state.jobs[0]?.id || state.connection.last_job?.id;
    try {
      const [full, report] = await Promise.all([
        offered.has("get_connection") && server.call("get_connection", { connection_id: id }),
        last && offered.has("get_job") && server.call("get_job", { job_id: last, log_lines: LOG_LINES }),
        last && state.jobs.length < 2 && loadJobs({ connection_id: id, limit: SLOTS }),
      ]);
      state.details = { full, report };
      if (full) refreshed(state, full);
      if (report) keep(state, report);
    } catch (error) {
      if (lost(error)) return;
      state.details = { problem: error.message };
    }
    state.details.stamp = `${Date.now()}-${Math.random()}`;
    draw(id);
  },
  draw: (id) => draw(id),
  get canAsk() { return Boolean(host.hostCapabilities?.message); },
  async ask({ id }) {
    const text = `The last sync of the connection with id ${id} failed. Find out why with get_job ` +
      "and mend it, or tell me what you need from me.";
    await guarded(() => server.request("ui/message", { role: "user", content: [{ type: "text", text }] }));
  },
};

async function act(id, work) {
  const state = stateOf(id);
  if (state.busy) return;
  Object.assign(state, { busy: true, error: "" });
  draw(id);
  try {
    await work(state);
  } catch (error) {
    if (lost(error)) return;
    state.error = error.message;
    await loadJobs({ connection_id: id, limit: 5 }).catch(() => {});
  } finally {
    state.busy = false;
  }
  draw(id);
  follow();
  recount();
}

/** Put a job, as the server just told it, into the history of its connection. */
function keep(state, job) {
  const { diagnosis: _, untrusted_log: __, ...kept } = job;
  const place = state.jobs.findIndex((known) => known.id === job.id);
  state.jobs = place < 0 ? [kept, ...state.jobs] : state.jobs.with(place, kept);
}

/** Take what a list shows of a connection from its full description. */
function refreshed(state, full) {
  state.connection = {
    ...state.connection, name: full.name, status: full.status,
    total_entities: full.entities?.total_entities ?? state.connection.total_entities,
    next_run: full.schedule?.next_run, attention: full.attention,
  };
}

function take(page, { append = false } = {}) {
  const listed = new Set();
  for (const connection of page.items || []) {
    const known = states.get(connection.id);
    if (known) known.connection = connection;
    else states.set(connection.id, { connection, jobs: [], error: "", row: makeRow(connection.id, app) });
    listed.add(connection.id);
  }
  if (!append)
    for (const [id, state] of states)
      if (!listed.has(id)) {
        state.row.element.remove();
        states.delete(id);
      }
  nextCursor = page.next_cursor || null;
  totals = page.totals;
  const order = append ? [...states.keys()] : [...listed];
  order.forEach((id, place) => {
    const { element } = stateOf(id).row;
    if ($("rows").children[place] !== element) $("rows").insertBefore(element, $("rows").children[place]);
  });
  loaded = true;
}

async function loadJobs(args) {
  if (!offered.has("list_jobs")) return;
  const { items } = await server.call("list_jobs", args);
  for (const job of items) {
    const state = stateOf(job.source_connection_id);
    if (state) keep(state, job);
  }
}

/** Jobs of connections that the list of the newest jobs left out, as many as fit one screen. */
async function fillGaps() {
  const gaps = [...states.values()].filter(({ connection, jobs, filled }) =>
    !filled && connection.last_job && !jobs.some((job) => job.id === connection.last_job.id));
  for (const state of gaps.slice(0, PAGE)) {
    state.filled = true;
    await loadJobs({ connection_id: state.connection.id, limit: SLOTS });
    draw(state.connection.id);
  }
}

async function refresh({ page } = {}) {
  await guarded(async () => {
    const shown = Math.min(100, Math.max(PAGE, states.size));
    take(page || (await server.call("list_connections", { limit: shown, ...filter })));
    drawAll();
    await loadJobs({ limit: JOBS });
    drawAll();
    await fillGaps();
  });
  follow();
  watchForNextRun();
}

async function loadMore() {
  await guarded(async () => {
    take(await server.call("list_connections", { limit: PAGE, cursor: nextCursor, ...filter }),
      { append: true });
    drawAll();
    await fillGaps();
  });
}

/** Have the host open a page; whether it did. */
async function openedByHost(url) {
  if (!inHost || !host.hostCapabilities?.openLinks || !openable(url)) return false;
  try {
    return !(await server.request("ui/open-link", { url }))?.isError;
  } catch {
    return false; // The link is shown to be copied instead.
  }
}

/** Ask about connections whose link is open until each is authorised, or nobody looks. */
async function attend() {
  if (attending || !offered.has("get_connection")) return;
  attending = true;
  const open = () => [...states.values()].filter((state) => state.link);
  try {
    for (; open().length && isAwake(); await pause(PAUSE_MS))
      for (const state of open()) await attendOne(state);
  } catch (error) {
    if (!lost(error)) notice(error.message, "Try again", () => refresh());
  } finally {
    attending = false;
  }
}

async function attendOne(state) {
  const { link, connection: { id } } = state;
  const full = await server.call("get_connection", { connection_id: id });
  if (state.link !== link) return;
  refreshed(state, full);
  if (!NEEDS[full.status]) {
    authorised(state);
    return recount();
  }
  if (Date.parse(link.expires) < Date.now())
    Object.assign(state, { link: null, error: "The link has expired. Authorise gives a new one." });
  draw(id);
}

function authorised(state) {
  Object.assign(state, { link: null, error: "" });
  announce(`${state.connection.name} is authorised.`);
  draw(state.connection.id);
  if (state.row.open) app.loadDetails(state.connection.id);
  watchForNextRun();
}

/** Ask about running jobs until none runs, or nobody looks. */
async function follow() {
  attend();
  if (following || !offered.has("get_job")) return;
  following = true;
  const asks = liveJobs().length > 0;
  try {
    for (let jobs = liveJobs(); jobs.length && isAwake(); jobs = liveJobs()) {
      await Promise.all(jobs.slice(0, FOLLOWED_AT_ONCE).map(followOne));
      if (jobs.length > FOLLOWED_AT_ONCE) {
        await loadJobs({ limit: JOBS });
        drawAll();
        await pause(PAUSE_MS);
      }
    }
    if (asks) notice(); // Otherwise nothing has shown that what went wrong is over.
  } catch (error) {
    if (!lost(error)) notice(error.message, "Try again", () => refresh());
  } finally {
    following = false;
  }
  if (!isAwake() && !stopped && !document.hidden)
    notice("Live updates are paused.", "Resume", () => refresh());
}

async function followOne({ id, source_connection_id: connectionId }) {
  const state = stateOf(connectionId);
  const before = state.jobs[0];
  // Waiting at the server tells the end at once. What is young, queued or being stopped changes
  // before it ends: there a look and a pause show more.
  const waits = before.status === "RUNNING" && Date.now() - Date.parse(startOf(before)) > YOUNG_MS;
  const waited = waits ? { wait_seconds: 1 } : {};
  const open = state.row.open;
  const job = await server.call("get_job", { job_id: id, log_lines: open ? LOG_LINES : 0, ...waited });
  keep(state, job);
  if (open && state.details?.full) {
    Object.assign(state.details, { report: job, stamp: `${Date.now()}` });
  }
  tell(state.connection.name, before, job);
  if (!isLive(job)) {
    const full = offered.has("get_connection") &&
      (await server.call("get_connection", { connection_id: connectionId }));
    if (full) refreshed(state, full);
    if (open) await app.loadDetails(connectionId);
    await recount();
    watchForNextRun();
  }
  draw(connectionId);
  if (isLive(job) && !waits) await pause(LOOK_MS);
}

/** Say aloud what matters: each quarter, and how it ended. */
function tell(name, before, job) {
  if (!isLive(job)) {
    const end = { COMPLETED: "has ended", FAILED: "failed", CANCELLED: "was cancelled" };
    const about = job.status === "FAILED" ? job.error || "" : changes(job);
    return announce(`Sync of ${name} ${end[job.status]}: ${about}`);
  }
  const quarter = (j) => Math.floor(((j.entities_processed || 0) / (j.entities_total || Infinity)) * 4);
  if (quarter(job) > quarter(before)) announce(`Sync of ${name}: ${quarter(job) * 25} percent.`);
}

function watchForNextRun() {
  clearTimeout(dueTimer);
  const runs = [...states.values()].map((s) => Date.parse(s.connection.next_run)).filter(Boolean);
  const due = Math.min(...runs) - Date.now() + 1500;
  if (due < PATIENCE_MS) dueTimer = setTimeout(() => isAwake() && refresh(), Math.max(due, IDLE_MS));
}

/** Run work that concerns the whole page; what goes wrong is shown on top of it. */
async function guarded(work) {
  try {
    await work();
    notice();
  } catch (error) {
    if (!lost(error)) notice(error.message, "Try again", () => refresh());
  }
}

function lost(error) {
  if (!(error instanceof NotLoggedIn)) return false;
  logOut(error.message);
  return true;
}

function notice(text = "", label, onclick) {
  const box = $("notice");
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  box.replaceChildren();
  if (text)
    box.append(h("div", { class: `notice${label === "Resume" ? "" : " bad"}`, role: "alert" },
      h("span", null, text),
      label ? h("button", { type: "button", onclick: () => { wake(); onclick(); } }, label) : null));
}

const announce = (text) => say($("live"), text);

function draw(id) {
  const state = stateOf(id);
  state?.row.update(state);
  drawSummary();
}

function drawAll() {
  $("board").hidden = !loaded || isSearching();
  for (const state of states.values()) state.row.update(state);
  $("more").hidden = !nextCursor;
  $("all").hidden = !isFiltered();
  $("rows").querySelector(".empty")?.parentElement.remove();
  if (!states.size) $("rows").append(h("li", null, nothing()));
  $("legend").hidden = !states.size;
  drawSummary();
}

function wake() {
  lastSign = Date.now();
}
