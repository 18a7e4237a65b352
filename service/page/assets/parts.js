// Parts that views share: tiles, states of loading, of nothing and of errors, alerts, periods.

import { Refused } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { change, lastingLink, link, period, PERIOD_NAMES, zone } from "./route.js";
import { ago, day, dayName, DAY, stamp, when } from "./time.js";
import { cause, lost, STATUSES, subject, tone, whatIsWrong } from "./words.js";

export const chip = (status) => h("span", { class: `chip ${tone(status)}` }, STATUSES[status] ?? status);

export function tile(name, [figure, unit = ""], ...notes) {
  return h(
    "div",
    { class: "tile" },
    h("dt", null, name),
    h("dd", null, h("span", { class: "figure" }, figure, unit ? h("span", { class: "unit" }, `\u00a0${unit}`) : null)),
    notes.filter(Boolean).map((note) => h("dd", { class: "note" }, note)),
  );
}

export const tiles = (...all) => h("dl", { class: "tiles" }, all);

export const time = (moment) => h("time", { datetime: stamp(moment) }, when(moment, zone()));

export const idLink = (side, id) => h("a", { href: link(side, [id]) }, id);

export const empty = (text) => h("p", { class: "empty" }, text);

export function failure(error, again) {
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", null, h("strong", null, error instanceof Refused ? error.message : "The page failed: " + error.message)),
    error.hint ? h("p", null, error.hint) : null,
    again ? h("button", { type: "button", onclick: again }, "Try again") : null,
  );
}

// An alert in plain words: what, since when, what it cost, and why.
// `alone` where the page itself is about it, or about its device.
export function alertCard(alert, { acknowledge, heading = "h2", alone = "" } = {}) {
  const about = subject(alert);
  const cost = lost(alert);
  return h(
    "article",
    { class: `alert ${alert.state === "open" ? alert.severity : "closed"}` },
    alone === "alert"
      ? null
      : h(
          heading,
          null,
          alone === "device" ? about.name : h("a", { href: link(about.side, [about.id], { period: "30d", from: null, to: null }) }, about.name),
          ` ${whatIsWrong(alert)}`,
        ),
    h(
      "dl",
      { class: "facts" },
      h("div", null, h("dt", null, "Since"), h("dd", null, h("strong", null, time(alert.since))), h("dd", { class: "note" }, ago(alert.since))),
      h("div", null, h("dt", null, alert.state === "open" ? "Lost so far" : "Lost"), h("dd", null, h("strong", null, cost.figure)), h("dd", { class: "note" }, cost.note)),
      h("div", { class: "wide" }, h("dt", null, "Likely cause"), h("dd", null, cause(alert))),
    ),
    h(
      "p",
      { class: "actions" },
      h("span", { class: `tag ${alert.severity}` }, alert.severity === "critical" ? "Urgent" : "Warning"),
      alone === "alert"
        ? h("a", { href: link(about.side, [about.id], { period: "30d", from: null, to: null }) }, `Look at the ${about.side}`)
        : h("a", { href: link("alert", [alert.alertId]) }, "Details"),
      acknowledged(alert, acknowledge),
    ),
  );
}

function acknowledged(alert, acknowledge) {
  if (alert.acknowledgedAt !== null) {
    return h("span", { class: "note" }, "Taken on ", time(alert.acknowledgedAt));
  }
  if (!acknowledge) return null;
  const button = h(
    "button",
    {
      type: "button",
      "data-focus": `acknowledge-${alert.alertId}`,
      "aria-label": `Take on: ${subject(alert).name} ${whatIsWrong(alert)}`,
      onclick: async () => {
        button.disabled = true;
        try {
          await acknowledge(alert);
          announce(`You have taken on the alert about ${subject(alert).name}.`);
        } catch (error) {
          button.disabled = false;
          button.after(h("span", { class: "wrong", role: "alert" }, ` ${error.message}`));
        }
      },
    },
    "Take on",
  );
  return button;
}

// What period is shown: the last 24 hours, 7 days, 30 days, or chosen days.
export function periodPicker(usual) {
  const now = period(usual);
  const chosen = now.name === "dates";
  const from = h("input", { type: "date", id: "from", value: dayName(now.from, zone()) });
  const to = h("input", { type: "date", id: "to", value: dayName(now.to - 1, zone()) });
  const apply = () => {
    if (from.value && to.value && from.value <= to.value) {
      change({ from: from.value, to: to.value, period: null });
    } else to.setCustomValidity("The last day is before the first."), to.reportValidity(), to.setCustomValidity("");
  };
  const copied = h("span", { class: "note", role: "status" });
  const copy = h(
    "button",
    {
      type: "button",
      class: "quiet",
      "data-focus": "copy-link",
      onclick: async () => {
        const text = lastingLink(usual);
        try {
          await navigator.clipboard.writeText(text);
          copied.textContent = "Copied";
        } catch {
          fill(copied, h("input", { readonly: true, value: text, "aria-label": "Link to what is shown", onfocus: (event) => event.target.select() }));
        }
      },
    },
    "Copy link",
  );
  return h(
    "form",
    { class: "period", "aria-label": "Period", onsubmit: (event) => (event.preventDefault(), apply()) },
    h(
      "div",
      { class: "segments", role: "group", "aria-label": "Last" },
      Object.entries(PERIOD_NAMES).map(([name, text]) =>
        h(
          "button",
          {
            type: "button",
            "data-focus": `period-${name}`,
            "aria-pressed": String(now.name === name),
            onclick: () => change({ period: name, from: null, to: null }),
          },
          text,
        ),
      ),
    ),
    h(
      "details",
      { class: "dates", open: chosen },
      h("summary", { "data-focus": "dates" }, chosen ? `${day(now.from, zone())} – ${day(now.to - 1, zone())}` : "Days…"),
      h("div", null, h("label", { for: "from" }, "From"), from, h("label", { for: "to" }, "to"), to, h("button", { type: "submit" }, "Show")),
    ),
    copy,
    copied,
  );
}

// Days and hours of a period as plots have them, and which of the two suits it.
export const suitsDays = (of) => of.to - of.from > 10.5 * DAY;
