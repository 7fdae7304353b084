// browser.mjs PAGE lets Chromium open the page, and prints the id of the error
// that it sent.

import { chromium } from "playwright-core";

const context = await chromium.launchPersistentContext("", {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = await context.newPage();
  const wrong = []; // the SDK itself is silent about what fails
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  await page.goto(process.argv[2]);
  const id = await page.evaluate(() => globalThis.sent);
  if (wrong.length) throw new Error(wrong.join("\n"));
  if (!id) throw new Error("the page has sent nothing");
  console.log(id);
} finally {
  await context.close();
}
