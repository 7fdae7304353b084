// A browser without a screen: keeps cookies, follows redirects, fills in the
// form of each page as the person with the given e-mail would, and stops where
// the client waits for its code.

export async function signIn(start, { email, callback, skills }) {
  const cookies = new Map();
  let request = { url: start, init: {} };
  for (let page = 0; page < 20; page++) {
    const { url, init } = request;
    const headers = { ...init.headers, cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = cookie.split(";")[0].split("=");
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location) {
      const next = new URL(location, url);
      if (next.href.startsWith(callback)) return next.searchParams;
      request = { url: next, init: {} };
      continue;
    }
    request = answer(url, await response.text(), { email, skills });
  }
  throw new Error("the sign-in does not end");
}

function answer(url, page, { email, skills }) {
  const form = /<form[^>]*>[\s\S]*?<\/form>/.exec(page)?.[0];
  if (!form) throw new Error(`no form at ${url}: ${page.replace(/<[^>]*>/g, " ")}`);
  const attribute = (tag, name) => new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1].replaceAll("&amp;", "&") ?? "";
  const body = new URLSearchParams();
  for (const [label] of form.matchAll(/<label[\s\S]*?<\/label>/g)) {
    const input = /<input[^>]*>/.exec(label)?.[0] ?? "";
    const [type, name, value] = ["type", "name", "value"].map((a) => attribute(input, a));
    if (type === "radio" && label.includes(email)) body.set(name, value);
    if (type === "checkbox" && skills.includes(value)) body.append(name, value);
  }
  for (const [input] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) body.append(attribute(input, "name"), attribute(input, "value"));
  for (const [button] of form.matchAll(/<button[^>]*value="approve"[^>]*>/g)) body.set(attribute(button, "name"), "approve");
  const target = new URL(attribute(/<form[^>]*>/.exec(form)[0], "action") || url, url);
  return { url: target, init: { method: "POST", body, headers: { origin: target.origin } } };
}
