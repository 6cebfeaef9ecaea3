// npm's oidc-provider on 127.0.0.1, with an API of notes behind it: a provider that none of us
// wrote. Usage: node foreign_provider.mjs PACKAGE_FOLDER CLIENT_ID CLIENT_SECRET REDIRECT_URI
// Prints its origin once it listens. POST /test/expire and /test/revoke act on all tokens.

import { createServer } from "node:http";
import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [folder, client_id, client_secret, redirect_uri] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${folder}/lib/index.js`));

const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const origin = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(origin, {
  clients: [
    {
      client_id,
      client_secret,
      redirect_uris: [redirect_uri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      application_type: "native",
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  routes: { authorization: "/authorize", token: "/token" },
  scopes: ["notes"],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
});

const notes = { n1: "first note", n2: "second note" };
const expired = new Set();
const seen = new Set();

async function answer(request, response) {
  const { pathname } = new URL(request.url, origin);
  if (request.method === "POST" && pathname === "/test/expire") {
    seen.forEach((token) => expired.add(token));
    return send(response, 200, {});
  }
  if (request.method === "POST" && pathname === "/test/revoke") {
    for (const grant of grants) await (await provider.Grant.find(grant))?.destroy();
    return send(response, 200, {});
  }
  if (pathname !== "/me" && !pathname.startsWith("/notes")) return provider.callback()(request, response);
  const presented = (request.headers.authorization ?? "").replace("Bearer ", "");
  const token = await provider.AccessToken.find(presented);
  if (!token || expired.has(presented)) return send(response, 401, { error: "invalid_token" });
  seen.add(presented);
  if (pathname === "/me") return send(response, 200, { name: token.accountId });
  if (pathname === "/notes") return send(response, 200, Object.keys(notes));
  send(response, 200, { text: notes[pathname.slice("/notes/".length)] });
}

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

const grants = new Set();
provider.on("grant.success", (context) => grants.add(context.oidc.entities.Grant?.jti));

console.log(origin);
