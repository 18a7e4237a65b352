// Requests to the service, in the name of who is signed in.

export const root = document.documentElement.dataset.root;

let csrfToken = null;

// An answer that is no success: `status` (0 where none came), `detail` and `hint` of its problem.
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
    this.hint = problem.hint ?? "";
  }
}

async function send(method, path, { body, accept = "application/json", signal } = {}) {
  const headers = { Accept: accept };
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(root + path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { detail: "The service does not answer." });
  }
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

async function json(method, path, options) {
  const answer = await send(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

// A path with a query; what is null, undefined or empty is left out, of a list each is said.
export function asked(path, query) {
  const given = Object.entries(query ?? {})
    .flatMap(([key, value]) => (Array.isArray(value) ? value.map((one) => [key, one]) : [[key, value]]))
    .filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

export const get = (path, query, signal) => json("GET", asked(path, query), { signal });
export const post = (path, body) => json("POST", path, { body });

// All pages of a list as one CSV, its header once; `told` is called with how many lines there are.
export async function csv(path, query, signal, told) {
  const parts = [];
  let lines = 0;
  let next = asked(path, { ...query, limit: 1000 });
  while (next) {
    const answer = await send("GET", next, { accept: "text/csv", signal });
    const text = await answer.text();
    const start = parts.length === 0 ? 0 : text.indexOf("\n") + 1;
    parts.push(text.slice(start));
    lines += Math.max(0, text.trimEnd().split("\n").length - 1);
    told(lines);
    const link = /<(\?[^>]*)>; rel="next"/.exec(answer.headers.get("Link") ?? "");
    next = link ? path + link[1] : null;
  }
  return parts.join("");
}

function keep(session) {
  csrfToken = session.csrfToken;
  return session;
}

// Who is signed in; Refused with 401 where nobody is.
export const session = async () => keep(await json("GET", "/session"));
export async function signIn(key) {
  await json("POST", "/session", { body: { key } });
  return session();
}
export async function signOut() {
  await json("DELETE", "/session");
  csrfToken = null;
}
