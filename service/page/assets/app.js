// The page: who is signed in, which view is shown, and when it is brought up to date.

import { Refused, session, signIn, signOut } from "./api.js";
import { announce, announceIn, fill, h } from "./dom.js";
import { listen } from "./live.js";
import { failure } from "./parts.js";
import { forget, redraw } from "./plot.js";
import { change, chooseZone, here, link, zone } from "./route.js";
import { seconds, zones } from "./time.js";
import * as alert from "./views/alert.js";
import * as alerts from "./views/alerts.js";
import * as charger from "./views/charger.js";
import * as devices from "./views/devices.js";
import * as fleet from "./views/fleet.js";
import * as health from "./views/health.js";
import * as hour from "./views/hour.js";
import * as sessions from "./views/sessions.js";
import * as vehicle from "./views/vehicle.js";

const VIEWS = { fleet, alerts, alert, vehicle, charger, sessions, hour, health };
const WHOLE = new Set([fleet, alerts, alert, health]);
const NAVIGATION = { fleet: "Fleet", alerts: "Alerts", sessions: "Sessions", hour: "Explain", health: "Data health" };
const THEME_KEY = "wattledger.theme";
const THEMES = { auto: "As the device", light: "Light", dark: "Dark" };

const top = document.getElementById("top");
const main = document.getElementById("main");
const status = h("span", { class: "live" });
const said = h("div", { class: "unseen", "aria-live": "polite", role: "status" });
document.body.append(said);
announceIn(said);

let who = null;
let news = null;
let shown = null;

function theme() {
  try {
    const kept = localStorage.getItem(THEME_KEY);
    return kept in THEMES ? kept : "auto";
  } catch {
    return "auto";
  }
}

function chooseTheme(name) {
  try {
    localStorage.setItem(THEME_KEY, name);
  } catch {
    // for this visit alone, then
  }
  applyTheme(name);
  redraw();
}

function applyTheme(name = theme()) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

function select(id, name, options, value, chosen) {
  const made = h(
    "select",
    { id, onchange: (event) => chosen(event.target.value) },
    Object.entries(options).map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
  );
  return h("div", { class: "field" }, h("label", { for: id }, name), made);
}

function header() {
  const view = here().view === "alert" ? "alerts" : here().view;
  const names = Object.fromEntries([...new Set([zone(), ...zones()])].map((name) => [name, name.replaceAll("_", " ")]));
  const open = top.querySelector("details.settings")?.open ?? false;
  fill(
    top,
    h("a", { class: "brand", href: link("fleet") }, "Wattledger"),
    h(
      "nav",
      { "aria-label": "Views" },
      h(
        "ul",
        null,
        Object.entries(NAVIGATION).map(([name, text]) =>
          h("li", null, h("a", { href: link(name), "aria-current": name === view ? "page" : null }, text)),
        ),
      ),
    ),
    h(
      "div",
      { class: "right" },
      status,
      h(
        "details",
        { class: "settings", open },
        h("summary", { "data-focus": "settings", title: "Time zone, colours, sign out" }, zone().replaceAll("_", " ")),
        h(
          "div",
          { class: "menu" },
          select("zone", "Times in", names, zone(), chooseZone),
          select("theme", "Colours", THEMES, theme(), chooseTheme),
          h("p", { class: "note" }, who?.keyId ? `Signed in with the key ${who.note ? `“${who.note}”, ` : ""}${who.keyId}` : "Keys are off"),
          h("button", { type: "button", "data-focus": "sign-out", onclick: leave }, "Sign out"),
        ),
      ),
    ),
  );
}

document.addEventListener("click", (event) => {
  const menu = top.querySelector("details.settings[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = top.querySelector("details.settings[open]");
  if (menu && event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

function tell(state) {
  status.dataset.state = state;
  status.replaceChildren(h("span", { class: "word" }, `${STATES[state]} `), seconds(Date.now(), zone()));
}

// Show what the address names; `moved` where one came from another view.
function show(moved) {
  shown?.ended.abort();
  forget();
  const { view, ids } = here();
  const asked = VIEWS[view] ?? VIEWS.fleet;
  // what is told of all devices is refused to a key for some
  const known = who.everyDevice === false && WHOLE.has(asked) ? devices : asked;
  // so that whoever gets the address sees the same hours
  if (!here().params.get("zone")) change({ zone: zone() }, true);
  header();
  const ended = new AbortController();
  const made = known.make({ ids, zone: zone(), who, signal: ended.signal, refresh: () => refresh() });
  shown = { key: `${view}/${ids.join("/")}`, ended, made, loaded: false };
  news.about(who.everyDevice === false ? (made.device ?? "none") : null);
  document.title = `${made.title} · Wattledger`;
  made.node.classList.add("loading");
  fill(main, made.node);
  main.setAttribute("aria-busy", "true");
  if (moved) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  return refresh();
}

async function refresh() {
  const of = shown;
  if (!of) return;
  try {
    await of.made.load(of.ended.signal);
    if (of !== shown) return;
    if (!of.loaded || of.failed) {
      of.made.node.classList.remove("loading");
      if (of.failed && !of.made.node.isConnected) fill(main, of.made.node);
      of.failure?.remove();
      of.failed = false;
      of.loaded = true;
    }
    main.removeAttribute("aria-busy");
    tell(newsState);
  } catch (error) {
    if (of !== shown || error.name === "AbortError") return;
    if (error instanceof Refused && error.status === 401) {
      showSignIn("You are signed out: the key is no longer valid, or too much time has passed.");
      return;
    }
    main.removeAttribute("aria-busy");
    of.failed = true;
    of.failure?.remove();
    of.failure = failure(error, refresh);
    // what was there before is still worth more than nothing
    if (of.loaded) main.prepend(of.failure);
    else fill(main, h("h1", { class: "unseen" }, of.made.title), of.failure);
    if (!(error instanceof Refused)) console.error(error);
  }
}

const STATES = { live: "Live ·", waiting: "Reconnecting · as of", away: "As of" };
let newsState = "waiting";

function start(signedIn, moved) {
  who = signedIn;
  document.body.classList.add("signed-in");
  news = listen({
    changed: refresh,
    concerns: (event) => !shown?.made.concerns || Boolean(shown.made.concerns(event)),
    state(state) {
      if (state === newsState) return;
      // what was not told meanwhile
      if (state === "live" && newsState === "away") news.soon();
      newsState = state;
      tell(state);
    },
  });
  tell(newsState);
  show(moved);
}

function stop() {
  news?.end();
  news = null;
  shown?.ended.abort();
  shown = null;
  who = null;
  newsState = "waiting";
  forget();
  document.body.classList.remove("signed-in");
  fill(top);
}

async function leave() {
  try {
    await signOut();
  } catch (error) {
    announce(error.message);
    return;
  }
  showSignIn("", "You are signed out.");
}

function showSignIn(wrong = "", message = "") {
  stop();
  document.title = "Sign in · Wattledger";
  const told = h("p", { class: "wrong", role: "alert" }, wrong);
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "key-hint" });
  const button = h("button", { class: "primary" }, "Sign in");
  const form = h(
    "form",
    {
      class: "sign-in",
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        told.textContent = "";
        try {
          const signedIn = await signIn(key.value.trim());
          key.value = "";
          start(signedIn, true);
        } catch (error) {
          told.textContent = [error.message, error.hint].filter(Boolean).join(" ");
          button.disabled = false;
          key.select();
          key.focus();
        }
      },
    },
    h("h1", null, "Wattledger"),
    h("p", null, "What the grid gave, what reached the batteries, and what was lost between them."),
    h("label", { for: "key" }, "API key"),
    key,
    h("p", { class: "note", id: "key-hint" }, "A key with the scope read; it begins with wl_"),
    told,
    button,
    message ? h("p", { class: "note", role: "status" }, message) : null,
  );
  fill(main, form);
  key.focus();
}

addEventListener("hashchange", () => {
  if (!who) return;
  const { view, ids } = here();
  show(shown?.key !== `${view}/${ids.join("/")}`);
});
document.querySelector("a.skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

applyTheme();
try {
  start(await session(), false);
} catch (error) {
  showSignIn(error instanceof Refused && error.status === 401 ? "" : error.message);
}
