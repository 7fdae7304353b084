// node.mjs PACKAGE DSN sends with a version of @sentry/node, and prints the
// error's id.

import { once } from "node:events";
import http from "node:http";

import { badDay, options } from "./shop.mjs";

const [name, dsn] = process.argv.slice(2);
const Sentry = await import(name);
Sentry.init({ ...options(dsn), integrations: [Sentry.httpIntegration({ spans: false })] });
console.log(await badDay(Sentry));

// To a server, each request is a session.
const server = http.createServer((_, answer) => answer.end()).listen(0, "127.0.0.1");
await once(server, "listening");
const [answer] = await once(http.get({ port: server.address().port, agent: false }), "response");
answer.resume();
await once(answer, "close");
server.close();
if (!(await Sentry.flush(30_000))) throw new Error("the SDK could not send");
