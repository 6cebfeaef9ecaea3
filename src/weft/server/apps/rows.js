// One connection: its line in the list, the bar of its running job, and its details.

const LOG_LINES = 30;
const TABLE_JOBS = 12;
const NEEDS = {
  pending_auth: "It cannot sync until someone authorises it.",
  needs_reauth: "The source refuses its credentials. Somebody has to give it others.",
};

/** A row; update() shows the present state and leaves what has the focus where it is. */
function makeRow(id, app) {
  const key = `c-${id}`;
  const title = h("h3", { id: key });
  const badge = h("span", { class: "badge" });
  const facts = h("p", { class: "facts" });
  const sync = app.button("Sync now", "run_sync", () => app.sync(id), `Sync now`, key);
  const cancel = app.button("Cancel", "cancel_job", () => app.cancel(id), `Cancel the sync of`, key);
  const authorise = app.button("Authorise", "authorize_connection", () => app.authorise(id), "Authorise", key);
  const apply = app.button("Review deletions", "run_sync", () => app.applyDeletions(id), "Review the deletions of", key, "apply");
  const link = makeLink(id, key, app);
  const more = h("button", {
    type: "button", "aria-expanded": "false", "aria-controls": `${key}-d`, id: `${key}-b`,
    "aria-labelledby": `${key}-b ${key}`, onclick: () => toggle(),
  }, "Details");
  const bar = progressBar(key);
  const bad = h("p", { class: "bad", hidden: true });
  const details = h("div", { class: "details", id: `${key}-d`, role: "region",
    "aria-labelledby": `${key}-b ${key}`, hidden: true });
  let picture = chart([]);
  const line = h("div", { class: "row" },
    h("div", { class: "who" }, h("div", { class: "name" }, title, badge), facts),
    picture, h("div", { class: "do" }, apply, sync, cancel, authorise, more), bar.element, bad, link.element);
  const element = h("li", { "data-id": id }, line, details);
  let drawn = "", told = "";

  function toggle(open = details.hidden) {
    details.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
    if (open) app.loadDetails(id);
    else app.draw(id);
  }

  function update(state) {
    const { connection, jobs, error } = state;
    const last = jobs[0];
    const live = isLive(last) ? last : null;
    if (title.textContent !== connection.name) title.replaceChildren(foreign(connection.name));
    say(badge, STATES[live?.status] || STATES[connection.status] || connection.status);
    badge.className = `badge ${live ? "syncing" : connection.status}`;
    facts.replaceChildren(...factsOf(connection, last, live));
    const waits = !live && authorise && NEEDS[connection.status];
    const held = !live && !waits && connection.attention?.find(({ kind }) => kind === "deletions_held");
    if (apply) apply.textContent = apply.title = state.preview ? `Delete ${entities(state.preview.entities)}` : "Review deletions";
    apply?.classList.toggle("danger", Boolean(state.preview));
    // What is pushed cannot be pulled.
    const pulls = connection.short_name !== "ingest";
    for (const [button, wanted] of [[sync, pulls && !live && !waits], [cancel, live], [authorise, waits], [apply, pulls && held]])
      if (button) {
        // A button that gives way to another hands the focus over, or the keyboard would be lost.
        if (!wanted && document.activeElement === button) more.focus();
        button.hidden = !wanted;
      }
    // Not `disabled`, which takes the focus away from whoever pressed the button.
    for (const button of [sync, authorise, apply]) button?.setAttribute("aria-disabled", String(Boolean(state.busy)));
    cancel?.setAttribute("aria-disabled", String(Boolean(state.busy) || live?.status === "CANCELLING"));
    bar.update(live, connection.name);
    const shown = waits ? state.link : null;
    // One thing at a time is the one to do.
    authorise?.classList.toggle("primary", !shown);
    if (!shown && link.element.contains(document.activeElement)) (sync?.hidden === false ? sync : more).focus();
    link.update(shown);
    const failed = last?.status === "FAILED" && (last.error || "The last sync failed.");
    const short = !live && connection.attention?.find(({ kind }) => kind === "sync_fell_short");
    const reason = error || failed || (!waits && NEEDS[connection.status])
      || [held && heldText(state, held), short?.message].filter(Boolean).join(" ");
    bad.classList.toggle("hint", !error && !failed);
    // The details tell in full why a sync failed.
    bad.hidden = !reason || (!error && failed && !details.hidden && Boolean(state.details?.report));
    if (error) bad.setAttribute("role", "alert");
    else bad.removeAttribute("role");
    say(bad, reason);
    const signature = JSON.stringify(jobs.slice(0, SLOTS));
    if (signature !== drawn) {
      const next = chart(jobs);
      picture.replaceWith(next);
      [picture, drawn] = [next, signature];
    }
    if (!details.hidden && state.details && state.details.stamp !== told) {
      told = state.details.stamp;
      const top = details.querySelector(".scroll")?.scrollTop;
      details.replaceChildren(...detailsOf(state, app));
      if (top) details.querySelector(".scroll").scrollTop = top;
    }
  }

  return { element, update, toggle, focusLink: link.focus, get open() { return !details.hidden; } };
}

/** What is held, or which entities would go if the person presses the button again. */
function heldText({ preview }, { message }) {
  if (!preview) return message;
  const names = (preview.untrusted_names || []).join(", ");
  const more = preview.entities > (preview.untrusted_names || []).length ? ", …" : "";
  return `Gone from the source, and to be deleted here for good: ${names}${more}`;
}

function factsOf(connection, last, live) {
  const span = (...parts) => h("span", null, ...parts);
  const facts = [
    span(foreign(connection.short_name), " → ", foreign(connection.readable_collection_id)),
    span(entities(connection.total_entities)),
  ];
  if (!last && connection.last_job)
    facts.push(span(`last sync ${connection.last_job.status.toLowerCase()}`));
  else if (!last) facts.push(span("never synced"));
  else if (!live) {
    const ended = last.completed_at || startOf(last);
    const took = last.duration_seconds === undefined ? "" : ` in ${duration(last.duration_seconds)}`;
    if (last.status === "COMPLETED") facts.push(span("synced ", when(ended), took), span(changes(last)));
    else facts.push(span(`last sync ${last.status.toLowerCase()} `, when(ended)));
  }
  if (live && Date.parse(connection.next_run) <= Date.now()) facts.push(span("next run after this sync"));
  else if (connection.next_run) facts.push(span("next run ", when(connection.next_run)));
  return facts;
}

function progressBar(key) {
  const inner = h("div");
  const bar = h("div", { class: "bar", role: "progressbar", "aria-labelledby": key,
    "aria-valuemin": "0" }, inner);
  const left = h("span"), right = h("span");
  const element = h("div", { class: "live", hidden: true }, bar,
    h("p", { class: "said" }, left, right));

  function update(job) {
    element.hidden = !job;
    if (!job) return;
    const done = job.entities_processed || 0;
    const total = job.entities_total;
    const sure = job.status === "RUNNING" && total > 0;
    const percent = sure ? Math.min(100, (done / total) * 100) : 0;
    bar.classList.toggle("unsure", !sure);
    inner.style.width = sure ? `${percent}%` : "";
    const text = progressText(job, done, total, percent);
    if (sure) {
      bar.setAttribute("aria-valuenow", String(Math.min(done, total)));
      bar.setAttribute("aria-valuemax", String(total));
    } else {
      bar.removeAttribute("aria-valuenow");
      bar.removeAttribute("aria-valuemax");
    }
    bar.setAttribute("aria-valuetext", text);
    left.replaceChildren(sure ? h("strong", null, `${Math.floor(percent)} %`) : "", sure ? " · " : "", foreign(text));
    say(right, changes(job) === "no changes" ? "" : changes(job));
  }
  return { element, update };
}

function progressText(job, done, total, percent) {
  if (job.status === "PENDING" && job.error_category) return job.error || "Waits for another process";
  if (job.status === "PENDING")
    return job.started_at ? "Waiting to try again" : "Queued, starts when there is room";
  if (job.status === "CANCELLING") return "Stopping; what was committed stays";
  const seconds = (Date.now() - Date.parse(startOf(job))) / 1000;
  const rest = percent >= 4 && seconds > 2 ? (seconds / percent) * (100 - percent) : 0;
  const of = total ? `${count(done)} of ${entities(total)}` : `${entities(done)} so far`;
  return of + (rest > 1.5 ? `, about ${duration(Math.max(2, Math.round(rest)))} left` : "");
}

function detailsOf({ connection, jobs, details }, app) {
  const { full, report, problem } = details;
  if (problem) return [h("p", { class: "bad wide", role: "alert" }, problem)];
  const parts = [];
  if (report?.diagnosis) parts.push(whyFailed(connection, report, app));
  if (report?.warnings) parts.push(leftUndone(report.warnings));
  if (full) parts.push(about(full), config(full));
  if (report) parts.push(logOf(report));
  if (jobs.length) parts.push(tableOf(jobs, connection));
  return parts;
}

function whyFailed(connection, report, app) {
  const { diagnosis = {} } = report;
  const ask = app.canAsk && h("button", { type: "button", onclick: () => app.ask(connection) },
    "Ask the assistant to mend it");
  const heading = report.status === "FAILED" ? "Why the last sync failed" : "Why the sync waits";
  return h("section", { class: "wide" }, h("h4", null, heading),
    h("div", { class: "why" },
      h("p", null, foreign(report.error ? forPeople(report.error) : "No reason was recorded.")),
      diagnosis.likely_cause ? h("p", null, diagnosis.likely_cause) : null,
      h("p", null, h("strong", null, "What to do: "), remedy(diagnosis.category, connection, app)),
      ask || null));
}

/** What a completed sync left undone, with the reasons that the source gave. */
function leftUndone(warnings) {
  const reasons = (found) => (found || []).map(({ reason, count: number }) => `${reason} (${count(number)})`);
  return h("section", { class: "wide" }, h("h4", null, "What the last sync left undone"),
    h("ul", { class: "undone" }, warnings.map(({ message, untrusted_reasons: found }) =>
      h("li", null, message, found ? [": ", foreign(reasons(found).join(", "))] : null))));
}

function pairs(entries) {
  return h("dl", null, entries.flatMap(([name, value, kind]) => [
    h("dt", null, foreign(name)),
    h("dd", kind ? { class: kind } : null, value instanceof Node ? value : foreign(value)),
  ]));
}

function about(full) {
  const { auth = {}, schedule, sync = {}, entities: stored = {} } = full;
  const kinds = Object.entries(stored.by_type || {}).slice(0, 8)
    .map(([kind, { count: number }]) => `${kind}: ${count(number)}`);
  const entries = [
    ["Status", full.status], ["Collection", full.readable_collection_id],
    ["Schedule", scheduleText(schedule)],
    ["Credentials", isWithoutCredentials(auth) ? "none, it is read without"
      : `${auth.method || "none"}, ${auth.authenticated ? "accepted" : "not given"}`],
    ["Syncs", `${count(sync.total_runs)} run, ${count(sync.failed_runs)} failed`],
    ["Entities", kinds.join(", ") || "none"],
    ["Id", full.id, "mono"],
  ];
  if (full.description) entries.unshift(["Description", full.description]);
  return h("section", null, h("h4", null, "Connection"), pairs(entries));
}

const isWithoutCredentials = ({ method, authenticated, has_credentials: has }) =>
  method === "direct" && authenticated && has === false;

function scheduleText(schedule) {
  if (!schedule || !(schedule.cron || schedule.continuous)) return "none";
  const kind = schedule.continuous ? "continuous" : `${schedule.cron} (${schedule.timezone || "UTC"})`;
  const pause = schedule.paused_until ? `, paused until ${exact(schedule.paused_until)}` : schedule.paused ? ", paused" : "";
  return kind + pause + (schedule.next_run ? `, next ${exact(schedule.next_run)}` : "");
}

function config(full) {
  const entries = Object.entries(full.config || {}).map(([name, value]) =>
    [name, typeof value === "string" ? value : JSON.stringify(value), "mono"]);
  const none = full.config_omitted ? "Too large to show." : "Nothing is configured.";
  return h("section", null, h("h4", null, "Configuration"),
    entries.length ? pairs(entries) : h("p", { class: "dim" }, none));
}

function logOf(report) {
  const lines = (report.untrusted_log || []).map(({ at, level, message }) => h("li", null,
    h("time", { datetime: at, title: exact(at) },
      new Date(at).toLocaleTimeString("en", { hour12: false, timeZone: zone })),
    h("span", { class: /^\w+$/.test(level) ? level : null }, foreign(message))));
  return h("section", { class: "wide" }, h("h4", null, "Log of the last sync"),
    lines.length
      ? h("ol", { class: "log scroll", tabindex: "0", "aria-label": "Log of the last sync" }, lines)
      : h("p", { class: "dim" }, "The log is empty."));
}

function tableOf(jobs, connection) {
  const kinds = ["inserted", "updated", "deleted", "skipped", "failed"];
  const heads = ["Started", "Result", "Took", "Inserted", "Updated", "Deleted", "Skipped", "Failed"];
  const rows = jobs.slice(0, TABLE_JOBS).map((job) => h("tr", null,
    h("td", null, when(startOf(job))), h("td", { class: job.status === "FAILED" && "fault" },
      STATES[job.status] || job.status.toLowerCase()),
    h("td", null, duration(job.duration_seconds)),
    ...kinds.map((kind) =>
      h("td", null, count(job[`entities_${kind}`])))));
  return h("section", { class: "wide" }, h("h4", null, "Recent syncs"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Recent syncs" },
      h("table", null, h("caption", { class: "sr" }, `Recent syncs of ${connection.name}`),
        h("thead", null, h("tr", null, heads.map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", null, rows))));
}
