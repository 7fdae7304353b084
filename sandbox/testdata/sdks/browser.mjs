// browser.mjs PAGE lets Chromium open the page, and prints the ids of the error
// and of the replay that it sent.

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
  await page.fill("[name=city]", "Bergen");
  await page.fill("[name=api_key]", "hunter2");
  for (let i = 0; i < 6; i++) await page.click("#pay"); // which has no effect
  const id = await page.evaluate(() => globalThis.sent);
  await page.waitForTimeout(8_000); // until the SDK gives up hope of one
  const replay = await page.evaluate(() => globalThis.recorded());
  if (wrong.length) throw new Error(wrong.join("\n"));
  if (!id || !replay) throw new Error("the page has sent nothing");
  console.log(id, replay);
} finally {
  await context.close();
}
