// Where one is: the view, its device, and all that a link to it carries, in the address's fragment.

import { browserZone, dayNamed, daysLater, DAY, isZone, stamp } from "./time.js";

const PERIODS = { "24h": 1, "7d": 7, "30d": 30 };
export const PERIOD_NAMES = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" };
// what goes along from one view to the next
const CARRIED = ["period", "from", "to", "zone", "table"];
const ZONE_KEY = "wattledger.zone";

// The view, the ids in the path and the parameters of the address.
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...ids] = path.split("/").map(decode);
  return { view: view || "fleet", ids, params: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address(view, ids, params) {
  const path = [view, ...ids].map(encodeURIComponent).join("/");
  const query = params.toString();
  return `#/${path}${query ? `?${query}` : ""}`;
}

// A link to a view that keeps period, zone and tables; `more` adds to it.
export function link(view, ids = [], more = {}) {
  const now = here().params;
  const params = new URLSearchParams(CARRIED.filter((key) => now.has(key)).map((key) => [key, now.get(key)]));
  for (const [key, value] of Object.entries(more)) {
    if (value === null || value === undefined || value === "") params.delete(key);
    else params.set(key, value);
  }
  return address(view, ids, params);
}

// Change parameters of where one is; without `quietly` the view is shown anew.
export function change(more, quietly = false) {
  const { view, ids, params } = here();
  for (const [key, value] of Object.entries(more)) {
    if (value === null || value === undefined || value === "") params.delete(key);
    else params.set(key, value);
  }
  const next = address(view, ids, params);
  if (quietly) history.replaceState(null, "", next);
  else if (next !== location.hash) location.hash = next;
}

function remembered() {
  try {
    return localStorage.getItem(ZONE_KEY) ?? "";
  } catch {
    return "";
  }
}

export function zone() {
  const asked = here().params.get("zone");
  if (asked && isZone(asked)) return asked;
  const kept = remembered();
  return kept && isZone(kept) ? kept : browserZone();
}

export function chooseZone(name) {
  try {
    localStorage.setItem(ZONE_KEY, name);
  } catch {
    // a browser that keeps nothing has it in the address all the same
  }
  change({ zone: name });
}

// The period that is shown: its name, and its ends where it is none that moves on with time.
export function period(usual = "7d") {
  const { params } = here();
  const from = end(params.get("from"));
  const to = end(params.get("to"), 1);
  if (from < to) return { name: "dates", from, to, days: (to - from) / DAY };
  const name = params.get("period") in PERIODS ? params.get("period") : usual;
  const days = PERIODS[name];
  const now = Date.now();
  return { name, from: now - days * DAY, to: now, days };
}

// A day counts as a whole; a moment is as it is.
function end(text, later = 0) {
  const day = dayNamed(text, zone());
  if (!Number.isNaN(day)) return later ? daysLater(day, later, zone()) : day;
  return text ? Date.parse(text) : NaN;
}

// from and to as the API takes them
export function bounds(of) {
  return { from: stamp(of.from), to: of.name === "dates" ? stamp(Math.min(of.to, Date.now())) : stamp(of.to) };
}

// An address that shows others what is shown now, whatever the time and zone are where they are.
export function lastingLink(usual) {
  const { view, ids, params } = here();
  const { from, to } = period(usual);
  const fixed = new URLSearchParams(params);
  fixed.delete("period");
  fixed.set("from", stamp(Math.floor(from / 1000) * 1000));
  fixed.set("to", stamp(Math.floor(Math.min(to, Date.now()) / 1000) * 1000));
  fixed.set("zone", zone());
  return location.origin + location.pathname + address(view, ids, fixed);
}

export const shownAsTable = (plot) => (here().params.get("table") ?? "").split(",").includes(plot);

export function showAsTable(plot, wanted) {
  const others = (here().params.get("table") ?? "").split(",").filter((one) => one && one !== plot);
  change({ table: (wanted ? [...others, plot] : others).join(",") }, true);
}
