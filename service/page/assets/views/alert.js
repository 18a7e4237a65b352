// One alert: the charges that it names, and all that happened to it.

import { get } from "../api.js";
import { fillChanged, h } from "../dom.js";
import { exactKwh, money } from "../format.js";
import { alertCard, idLink, time } from "../parts.js";
import { link, zone } from "../route.js";
import { grid } from "../table.js";
import { hour, minute } from "../time.js";
import { cause, closedBecause, subject, whatIsWrong } from "../words.js";
import { acknowledge } from "./alerts.js";

const CHANGES = {
  opened: "Opened",
  worsened: "Became urgent",
  revised: "Revised by what was learned since",
  acknowledged: "Taken on",
  closed: "Closed",
};

export function make({ ids: [number], signal, refresh, who }) {
  const node = h("div");

  async function load() {
    const whole = await get(`/v1/alerts/${encodeURIComponent(number)}`, {}, signal);
    fillChanged(node, [whole, minute()], () => show(whole, refresh, who));
  }

  return { title: `Alert ${number}`, node, load, concerns: (event) => event.alerts };
}

function show({ alert, charges, changes }, refresh, who) {
  const about = subject(alert);
  return [
    h("div", null, h("p", { class: "crumbs" }, h("a", { href: link("alerts") }, "Alerts")), h("h1", null, `${about.name} ${whatIsWrong(alert)}`)),
    h("div", { class: "cards one" }, alertCard(alert, { alone: "alert", acknowledge: acknowledge(who, refresh) })),
    alert.state === "closed" ? h("p", null, "Closed ", time(alert.closedAt), `: ${closedBecause(alert)}.`) : null,
    h("section", { "aria-labelledby": "named" }, h("h2", { id: "named" }, alert.kind === "standby" ? "Days that it names" : "Charges that it names"), grid({
      caption: alert.kind === "standby" ? "Bad days" : "Bad charges",
      hidden: true,
      empty: "It names none.",
      columns: [
        { name: "From", head: true, cell: (one) => hour(one.from, zone()) },
        { name: "Charger", cell: (one) => idLink("charger", one.meterId) },
        { name: "Vehicle", cell: (one) => (one.vehicleId ? idLink("vehicle", one.vehicleId) : "unknown") },
        { name: "Lost kWh", number: true, cell: (one) => exactKwh(one.lostKwh) },
        { name: "Lost", number: true, cell: (one) => money(one.lostCost, one.currency) },
      ],
      rows: charges,
    })),
    h("section", { "aria-labelledby": "history" }, h("h2", { id: "history" }, "What happened"), h(
      "ol",
      { class: "history" },
      changes.map((one) => h("li", null, time(one.changedAt), ` ${CHANGES[one.change] ?? one.change}`, detail(one))),
    )),
  ];
}

function detail({ change, changedBy, known }) {
  if (change === "acknowledged") return changedBy ? ` by the key ${changedBy}` : "";
  const said = [];
  if (known.cause) said.push(`likely cause: ${cause(known)}`);
  if (known.charges !== undefined) said.push(`${known.charges} bad ${known.charges === 1 ? "charge" : "charges"}`);
  if (known.lostKwh !== undefined) said.push(`${exactKwh(known.lostKwh)} kWh lost`);
  if (known.why) said.push(closedBecause({ closedBecause: known.why }));
  return said.length > 0 ? h("span", { class: "note" }, ` – ${said.join("; ")}`) : "";
}
