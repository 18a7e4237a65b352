// The page: signing in, and then the views.

import { Refused, session, signIn, signOut } from "./api.js";

const main = document.getElementById("main");

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function showSignIn(message = "") {
  const key = element("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
  const told = element("p", { role: "alert", textContent: message });
  const form = element(
    "form",
    {},
    element("h1", { textContent: "Wattledger" }),
    element("label", { htmlFor: "key", textContent: "API key with the scope read" }),
    key,
    element("button", { textContent: "Sign in" }),
    told,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      showSignedIn(await signIn(key.value.trim()));
    } catch (error) {
      told.textContent = error.message;
    }
  });
  main.replaceChildren(form);
  key.focus();
}

function showSignedIn(who) {
  const leave = element("button", { textContent: "Sign out" });
  leave.addEventListener("click", async () => {
    await signOut();
    showSignIn();
  });
  main.replaceChildren(
    element("h1", { textContent: "Wattledger" }),
    element("p", { textContent: `Signed in with the key ${who.keyId ?? "of nobody: keys are off"}.` }),
    leave,
  );
}

try {
  showSignedIn(await session());
} catch (error) {
  showSignIn(error instanceof Refused && error.status === 401 ? "" : error.message);
}
