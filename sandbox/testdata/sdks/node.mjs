// node.mjs PACKAGE DSN sends with a version of @sentry/node, and prints the
// error's id.

import { badDay, options } from "./shop.mjs";

const [name, dsn] = process.argv.slice(2);
const Sentry = await import(name);
Sentry.init(options(dsn));
console.log(await badDay(Sentry));
