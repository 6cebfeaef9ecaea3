// The two ways to the server: through the MCP host that shows this page in a frame, or over HTTP
// from a page of its own. Both give call(tool, arguments), which resolves to structured content.

const ANSWER_MS = 70000;

/** The server, or the host in front of it, said no; the message says why. */
class Refused extends Error {}
/** The token is missing, wrong or no longer valid. */
class NotLoggedIn extends Error {}

function outcome(result) {
  if (result?.isError) {
    const said = (result.content || []).filter((b) => b.type === "text").map((b) => b.text);
    throw new Refused(said.length ? forPeople(said.join(" ")) : "The server refused, and gave no reason.");
  }
  return result?.structuredContent || {};
}

function hostTransport(handlers) {
  const waiting = new Map();
  let lastId = 0;
  // A page in a sandbox cannot know the origin of its host; nothing that is posted is secret.
  const post = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

  function request(method, params) {
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Refused("The host of this page did not answer."));
      }, ANSWER_MS);
      waiting.set(id, (message) => {
        clearTimeout(timer);
        if (message.error) reject(new Refused(message.error.message || "The host refused."));
        else resolve(message.result);
      });
      post({ id, method, params });
    });
  }

  async function answer({ id, method, params }) {
    const handler = handlers[method];
    if (id === undefined) return handler?.(params || {});
    if (!handler && method !== "ping")
      return post({ id, error: { code: -32601, message: "This page does not know that method." } });
    post({ id, result: handler?.(params || {}) || {} });
  }

  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || data?.jsonrpc !== "2.0") return;
    if (data.method) answer(data);
    else if (waiting.has(data.id)) {
      const settle = waiting.get(data.id);
      waiting.delete(data.id);
      settle(data);
    }
  });

  return {
    request,
    notify: (method, params = {}) => post({ method, params }),
    call: async (name, args) => outcome(await request("tools/call", { name, arguments: args })),
  };
}

function httpTransport(token) {
  let lastId = 0;
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "weft-dashboard", version: "1" },
  };

  async function rpc(method, params, name) {
    const id = ++lastId;
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name && { "mcp-name": name }),
      ...(token && { authorization: `Bearer ${token}` }),
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: meta } });
    let response, text;
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      response = await fetch("mcp", { method: "POST", headers, body, signal, cache: "no-store" });
      text = await response.text();
    } catch {
      throw new Refused("The server does not answer. Is it still running?");
    }
    if (response.status === 401) throw new NotLoggedIn("The server does not accept this token.");
    const message = messages(response, text).find((m) => m.id === id) || messages(response, text)[0];
    if (message?.result) return message.result;
    const reason = message?.error_description || message?.error?.message;
    throw new Refused(reason || `The server answered with status ${response.status}.`);
  }

  return {
    tools: async () => (await rpc("tools/list", {})).tools.map((tool) => tool.name),
    call: async (name, args) =>
      outcome(await rpc("tools/call", { name, arguments: args }, name)),
  };
}

// An answer is one JSON object, or a stream of events whose data is one each.
function messages(response, text) {
  try {
    if (!response.headers.get("content-type")?.startsWith("text/event-stream"))
      return [JSON.parse(text)];
    const events = text.split(/\r?\n\r?\n/).map((event) =>
      event.split(/\r?\n/).filter((l) => l.startsWith("data:")).map((l) => l.slice(5)).join("\n"));
    return events.filter((data) => data.trim()).map((data) => JSON.parse(data));
  } catch {
    return [];
  }
}
