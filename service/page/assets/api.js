// Requests to the service, in the name of who is signed in.

export const root = document.documentElement.dataset.root;

let csrfToken = null;

// An answer that is no success: `status`, and the `detail` and `hint` of its problem document.
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
    this.hint = problem.hint ?? "";
  }
}

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(root + path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said);
  return said;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

function keep(session) {
  csrfToken = session.csrfToken;
  return session;
}

// Who is signed in; Refused with 401 where nobody is.
export const session = async () => keep(await get("/session"));
export async function signIn(key) {
  await post("/session", { key });
  return session();
}
export async function signOut() {
  await call("DELETE", "/session");
  csrfToken = null;
}
