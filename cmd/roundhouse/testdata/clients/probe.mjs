// Signs in with a TypeScript SDK, and Chromium for a browser, and looks at several contexts in parallel.
//
//   node probe.mjs sdk|client BASE_URL E-MAIL PLACE...
//
// sdk is @modelcontextprotocol/sdk (1.x, sessions), client is
// @modelcontextprotocol/client (2.x, 2026-07-28 where the server speaks it).
// Prints one JSON object: per place the protocol version, the tools, and what
// whoami and search_issues said.

import { randomUUID } from "node:crypto";
import { signIn } from "./chromium.mjs";

const [library, base, email, ...places] = process.argv.slice(2);
const callback = "http://127.0.0.1:33419/callback";

const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  library === "client"
    ? await import("@modelcontextprotocol/client")
    : {
        ...(await import("@modelcontextprotocol/sdk/client/index.js")),
        ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
        ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
      };

// One login for all contexts: what the libraries keep between calls.
const kept = {};
const provider = {
  redirectUrl: callback,
  clientMetadata: {
    client_name: `probe of ${library}`,
    redirect_uris: [callback],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => (kept.state = randomUUID()),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  redirectToAuthorization: (url) => void (kept.authorize = url),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
};

const newTransport = (place) => new StreamableHTTPClientTransport(new URL(`${base}/mcp${place}`), { authProvider: provider });
const newClient = () =>
  new Client({ name: `probe-${library}`, version: "1" }, library === "client" ? { versionNegotiation: { mode: "auto" } } : {});

async function login() {
  const transport = newTransport("");
  try {
    await newClient().connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const answer = await signIn(kept.authorize, { email, callback, skills: ["inspect"] });
    if (answer.get("error")) throw new Error(`${answer.get("error")}: ${answer.get("error_description")}`);
    if (answer.get("state") !== kept.state) throw new Error("another state came back");
    await transport.finishAuth(library === "client" ? answer : answer.get("code"));
    return;
  }
  throw new Error("the server let a client in without a token");
}

async function look(place) {
  const client = newClient();
  const transport = newTransport(place);
  await client.connect(transport);
  const text = (result) => (result.content ?? []).map((part) => part.text ?? "").join("\n");
  const { tools } = await client.listTools();
  const search = tools.find((tool) => tool.name === "search_issues");
  const argument = search.inputSchema.properties.organizationSlug ? { organizationSlug: "acme-outdoors" } : {};
  const seen = {
    version: transport.protocolVersion,
    tools: tools.map((tool) => tool.name),
    arguments: Object.keys(search.inputSchema.properties),
    whoami: text(await client.callTool({ name: "whoami", arguments: {} })),
    issues: text(await client.callTool({ name: "search_issues", arguments: { ...argument, query: "" } })),
  };
  await client.close();
  return [place, seen];
}

await login();
console.log(JSON.stringify(Object.fromEntries(await Promise.all(places.map(look)))));
