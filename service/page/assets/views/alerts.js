// Alerts, open or closed: what was wrong, since when, what it cost, and who took it on.

import { get, post } from "../api.js";
import { fill, h } from "../dom.js";
import { plural } from "../format.js";
import { worstFirst } from "../data.js";
import { alertCard, empty } from "../parts.js";
import { change, here } from "../route.js";
import { minute } from "../time.js";
import { KIND_NAMES } from "../words.js";

const STATES = { open: "Open", closed: "Closed", all: "All" };

// What a card's button does; none for a key that may only read.
export const acknowledge = (who, refresh) =>
  who?.scopes && !who.scopes.includes("admin")
    ? undefined
    : async (alert) => {
        await post(`/v1/alerts/${alert.alertId}/acknowledge`);
        await refresh();
      };

export function make({ signal, refresh, who }) {
  const { params } = here();
  const state = params.get("state") in STATES ? params.get("state") : "open";
  const kind = params.get("kind") in KIND_NAMES ? params.get("kind") : "";
  const told = h("p", { class: "note", role: "status" });
  const cards = h("div", { class: "cards" });
  let shownPages = 1;
  let said = "";
  const choice = h(
    "select",
    { id: "kind", "aria-label": "Kind", onchange: () => change({ kind: choice.value }) },
    h("option", { value: "" }, "All kinds"),
    Object.entries(KIND_NAMES).map(([key, text]) => h("option", { value: key, selected: key === kind }, text)),
  );
  const node = h(
    "div",
    null,
    h(
      "div",
      { class: "bar" },
      h("h1", null, "Alerts"),
      h(
        "div",
        { class: "finder" },
        h(
          "div",
          { class: "segments", role: "group", "aria-label": "State" },
          Object.entries(STATES).map(([name, text]) =>
            h("button", { type: "button", "data-focus": `state-${name}`, "aria-pressed": String(name === state), onclick: () => change({ state: name }) }, text),
          ),
        ),
        choice,
      ),
    ),
    told,
    cards,
  );

  async function load() {
    const rows = [];
    let after = null;
    for (let page = 0; page < shownPages; page += 1) {
      const answer = await get("/v1/alerts", { state, kind, after, limit: 100 }, signal);
      rows.push(...answer.alerts);
      after = answer.next;
      if (!after) break;
    }
    const text = JSON.stringify([rows, minute()]);
    if (text === said) return;
    said = text;
    told.textContent = rows.length === 0 ? "" : `${plural(rows.length, "alert")}${after ? ", the newest; there are more" : ""}`;
    fill(
      cards,
      rows.length === 0
        ? empty(state === "open" ? "No alert is open: nothing is known to be broken." : "No such alert.")
        : (state === "open" ? worstFirst(rows) : rows).map((one) => alertCard(one, { acknowledge: acknowledge(who, refresh) })),
      after
        ? h("button", { type: "button", "data-focus": "more", onclick: () => ((shownPages += 1), refresh()) }, "Show more")
        : null,
    );
  }

  return { title: "Alerts", node, load, concerns: (event) => event.alerts };
}
