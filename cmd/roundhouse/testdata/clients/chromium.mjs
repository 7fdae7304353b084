// A sign-in in Chromium, as a person would go through it.
//
//   node chromium.mjs URL E-MAIL SKILL,SKILL [FOLDER]
//
// follows the last redirect to whoever waits for the code. With a FOLDER, it
// takes pictures of the consent page and, afterwards, of the account page.

import { once } from "node:events";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

async function open() {
  return chromium.launchPersistentContext("", {
    executablePath: "/usr/bin/chromium",
    viewport: { width: 820, height: 900 },
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

// walk answers page after page until arrived, and returns where that was.
async function walk(page, { email, skills, arrived, shown = async () => {} }) {
  for (let step = 0; step < 10; step++) {
    if (await arrived(page)) return;
    const wrong = await page.locator("form").count() === 0 && (await page.locator("body").innerText());
    if (wrong) throw new Error(`no form at ${page.url()}: ${wrong}`);
    await shown(page);
    const person = page.locator("label", { hasText: email }).locator("input[type=radio]");
    if (await person.count()) await person.check();
    for (const box of await page.locator("input[type=checkbox]").all()) await box.setChecked(skills.includes(await box.getAttribute("value")));
    const approve = page.locator("button[value=approve]");
    const button = (await approve.count()) ? approve : page.locator("main button, form button").first();
    const before = page.url();
    await button.first().click();
    await page.waitForURL((url) => url.href !== before);
  }
  throw new Error("the sign-in does not end");
}

// signIn returns what arrives at the callback, where it listens meanwhile.
export async function signIn(start, { email, callback, skills }) {
  const context = await open();
  let answer;
  const listener = createServer((request, response) => {
    const target = new URL(request.url, callback);
    if (target.href.startsWith(callback)) answer = target.searchParams;
    response.end("done");
  });
  try {
    await once(listener.listen(new URL(callback).port, new URL(callback).hostname), "listening");
    const page = await context.newPage();
    await page.goto(String(start));
    await walk(page, { email, skills, arrived: () => answer !== undefined });
    return answer;
  } finally {
    await context.close();
    listener.close();
  }
}

async function main([start, email, skills, folder]) {
  const context = await open();
  try {
    const page = await context.newPage();
    const origin = new URL(start).origin;
    const picture = (name) => folder && page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
    const home = () => new URL(page.url()).origin === origin;
    await page.goto(start);
    await walk(page, { email, skills: skills.split(","), arrived: () => !home(), shown: () => page.url().includes("/oauth/authorize?") && picture("consent") });
    if (!folder) return;
    await page.goto(`${origin}/account`);
    await walk(page, { email, skills: [], arrived: () => page.getByText("Sign out").count() });
    await picture("account");
  } finally {
    await context.close();
  }
}

if (process.argv[1].endsWith("chromium.mjs")) await main(process.argv.slice(2));
