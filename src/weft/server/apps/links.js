// Where a person authorises a connection: the part of its row that leads there.

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The address, if it may be opened by a click: over TLS, or on the person's own computer. */
function openable(text) {
  const url = URL.canParse(text) ? new URL(text) : {};
  const safe = url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
  return safe ? url : null;
}

/** The part of a row; update() shows a link, and leaves what has the focus where it is. */
function makeLink(id, key, app) {
  const element = h("div", { class: "auth", hidden: true });
  let drawn = null;

  function update(link) {
    element.hidden = !link;
    if (link === drawn) return;
    drawn = link;
    element.replaceChildren(...(link ? partsOf(link) : []));
  }

  function partsOf({ url, expires, opened }) {
    const place = openable(url);
    const names = { id: `${key}-l`, "aria-labelledby": `${key}-l ${key}`, "aria-describedby": `${key}-n` };
    const note = (...said) => h("p", { id: `${key}-n` }, ...said, until(expires));
    if (!place || (app.inHost && !opened))
      return [
        note(place ? "Copy this link into your browser."
          : "Look at this link before you copy it into your browser: it is neither https nor on this computer."),
        h("input", { class: "mono", readonly: true, value: url, "aria-label": "Link", "aria-describedby": `${key}-n`,
          onfocus: ({ target }) => target.select() }),
      ];
    const where = foreign(place.host);
    if (app.inHost)
      return [note("The page at ", where, " was opened in your browser."),
        h("button", { type: "button", onclick: () => app.open(id), ...names }, "Open it again")];
    return [
      h("a", { href: place.href, target: "_blank", rel: "noopener noreferrer", ...names },
        "Open the authorisation page"),
      note("It is at ", where, " and opens in a new tab."),
    ];
  }

  return { element, update, focus: () => element.querySelector("a, button, input")?.focus() };
}

function until(expires) {
  const time = { timeStyle: "short", timeZone: zone };
  const end = expires ? ` The link works until ${new Date(expires).toLocaleTimeString("en", time)}.` : "";
  return `${end} This list notices when you are done.`;
}
