// The fleet: what is broken, what it cost, and which vehicles and chargers are worst.

import { get } from "../api.js";
import { fill, fillChanged, h, svg } from "../dom.js";
import { exactKwh, kwh, kwhParts, money, percent, plural } from "../format.js";
import { openAlerts, worstFirst } from "../data.js";
import { alertCard, chip, empty, idLink, periodPicker, tile, tiles } from "../parts.js";
import { acknowledge } from "./alerts.js";
import { bounds, change, here, link, period } from "../route.js";
import { longList, sparkline } from "../table.js";
import { minute } from "../time.js";
import { GAPS, STATUSES, tone } from "../words.js";

const USUAL = "7d";
const CARDS = 4;
const ORDERS = { efficiency: "Lowest efficiency first", loss: "Most lost first", id: "By name" };

export function make({ signal, refresh, who }) {
  const headline = h("p", { class: "headline" });
  const cards = h("div", { class: "cards" });
  const figures = h("div");
  const lists = [
    deviceList("vehicle", "Vehicles", "/v1/analytics/fleet", "vehicles", "vehicleId"),
    deviceList("charger", "Chargers", "/v1/analytics/fleet/meters", "meters", "meterId"),
  ];
  const node = h(
    "div",
    { class: "fleet" },
    h("h1", { class: "unseen" }, "Fleet"),
    h("section", { "aria-label": "What needs attention" }, headline, cards),
    h("section", { "aria-labelledby": "energy" }, h("div", { class: "bar" }, h("h2", { id: "energy" }, "Energy"), periodPicker(USUAL)), figures),
    h("section", { "aria-labelledby": "worst" }, h("div", { class: "bar" }, h("h2", { id: "worst" }, "Worst first"), finder(lists)), h("div", { class: "two" }, lists.map((one) => one.node))),
  );

  async function load() {
    const of = bounds(period(USUAL));
    const order = here().params.get("order") ?? "efficiency";
    const [alerts] = await Promise.all([
      openAlerts({}, signal),
      ...lists.map((one) => one.load(of, order, signal)),
    ]);
    showAlerts(headline, cards, alerts.rows, refresh, who);
    fillChanged(figures, lists[0].total, () => totals(lists[0].total));
  }

  // what is told of the fleet is as charging is kept
  const concerns = (event) => event.chargingKeptAt || event.alerts;
  return { title: "Fleet", node, load, concerns };
}

function showAlerts(headline, cards, alerts, refresh, who) {
  const sorted = worstFirst(alerts);
  const costs = new Map();
  for (const one of alerts) {
    if (one.lostCost !== null) costs.set(one.currency, (costs.get(one.currency) ?? 0) + one.lostCost);
  }
  const cost = [...costs].map(([currency, sum]) => money(sum, currency)).join(" and ");
  const chargers = new Set(alerts.map((one) => one.meterId).filter(Boolean)).size;
  const vehicles = new Set(alerts.map((one) => one.vehicleId).filter(Boolean)).size;
  const many = [chargers && plural(chargers, "charger"), vehicles && plural(vehicles, "vehicle")].filter(Boolean);
  fillChanged(headline, [many, cost], () =>
    many.length === 0
      ? [h("strong", { class: "good" }, "Nothing is broken."), " No alert is open."]
      : [
          h("strong", null, `${many.join(" and ")} ${chargers + vehicles === 1 ? "needs" : "need"} attention.`),
          cost ? ` Lost so far, beyond what is normal: ${cost}.` : " What was lost is not known.",
        ],
  );
  fillChanged(cards, [sorted, minute()], () => [
    ...sorted.slice(0, CARDS).map((one) => alertCard(one, { acknowledge: acknowledge(who, refresh) })),
    sorted.length > CARDS ? h("p", null, h("a", { href: link("alerts") }, `All ${sorted.length} open alerts`)) : null,
  ]);
}

function totals(total) {
  const currency = total.currency;
  const gap = total.costGap ? GAPS[total.costGap] : null;
  return [
    tiles(
      tile("From the grid (AC)", kwhParts(total.kwhConsumedAc), total.cost !== null ? money(total.cost, currency) : gap),
      tile("To the batteries (DC)", kwhParts(total.kwhDeliveredDc)),
      tile("Lost on the way", kwhParts(total.kwhLost), total.lossCost !== null ? money(total.lossCost, currency) : gap, excess(total)),
      tile(
        "Efficiency",
        percentParts(total.efficiency),
        total.expectedEfficiency === null ? null : `at least ${percent(total.expectedEfficiency)} is expected`,
      ),
      h(
        "div",
        { class: "tile judged" },
        h("dt", null, "Vehicles judged"),
        h("dd", null, h("span", { class: "figure" }, String(total.judged.vehicles), h("span", { class: "unit" }, ` of ${total.vehicles}`))),
        h("dd", null, shares(total.statuses)),
      ),
    ),
    h("p", { class: "note" }, `Losses and efficiency are of the vehicles that can be judged (${kwh(total.judged.kwhConsumedAc)} of the energy drawn).`),
  ];
}

const excess = (total) =>
  total.kwhExcessLost > 0
    ? `of which avoidable: ${kwh(total.kwhExcessLost)}${total.excessLossCost === null ? "" : `, ${money(total.excessLossCost, total.currency)}`}`
    : null;

const percentParts = (share) => (share === null ? ["–"] : [percent(share).replace(/\s*%/, ""), "%"]);

function shares(statuses) {
  return h(
    "ul",
    { class: "shares" },
    Object.entries(statuses)
      .filter(([, many]) => many > 0)
      .map(([status, many]) => h("li", { class: tone(status) }, `${many} ${STATUSES[status].toLowerCase()}`)),
  );
}

function finder(lists) {
  const input = h("input", {
    type: "search",
    id: "find",
    placeholder: "Find a vehicle or charger",
    "aria-label": "Find a vehicle or charger by its id",
    value: here().params.get("find") ?? "",
    oninput: () => {
      change({ find: input.value.trim() }, true);
      for (const one of lists) one.find();
    },
  });
  const order = h(
    "select",
    { id: "order", "aria-label": "Order", onchange: () => change({ order: order.value === "efficiency" ? null : order.value }) },
    Object.entries(ORDERS).map(([key, text]) => h("option", { value: key, selected: key === (here().params.get("order") ?? "efficiency") }, text)),
  );
  return h("div", { class: "finder" }, input, order);
}

// Vehicles or chargers, as many as were scrolled to; all of them where one looks for an id.
function deviceList(side, title, path, name, id) {
  const told = h("p", { class: "note", role: "status" });
  const sparks = new Map();
  // asked for since the list was loaded; what was told before stays until it is told anew
  const fetched = new Set();
  let rows = [];
  let next = null;
  let query = {};
  let busy = false;
  let aborted = null;
  const list = longList({
    caption: `${title}, worst first`,
    columns: [
      { name: title.slice(0, -1), head: true, cell: (one) => idLink(side, one[id]) },
      { name: "24 h", class: "sparks", cell: (one) => h("span", { "data-spark": one[id] }, spark(one)) },
      { name: "Efficiency", number: true, cell: (one) => percent(one.efficiency) },
      { name: "Expected", number: true, class: "roomy", cell: (one) => percent(one.expectedEfficiency) },
      { name: "Lost kWh", number: true, class: "roomy", cell: (one) => exactKwh(one.kwhLost) },
      { name: "Lost", number: true, class: "costs", cell: (one) => money(one.lossCost, one.currency) },
      { name: "Verdict", cell: (one) => chip(one.status) },
    ],
    more: () => void fetchMore(),
    shown: (some, rowOf) => void fetchSparks(some, rowOf),
  });
  const nothing = h("div");
  const node = h("section", { class: "panel", "aria-label": title }, h("div", { class: "bar" }, h("h3", null, title), told), list.node, nothing);
  const handle = { node, total: null, load, find };

  function spark(one) {
    return sparkline(svg, sparks.get(one[id]) ?? [], tone(one.status));
  }

  async function fetchSparks(some, rowOf) {
    const missing = some.map((one) => one[id]).filter((one) => !fetched.has(one));
    if (missing.length === 0) return;
    for (const one of missing) fetched.add(one);
    try {
      const answer = await get("/v1/analytics/fleet/sparklines", { [side === "vehicle" ? "vehicle" : "meter"]: missing }, aborted);
      for (const one of answer.sparklines) {
        sparks.set(one.id, side === "vehicle" ? one.kwhDeliveredDc : one.kwhActiveAc);
        const place = rowOf(one.id)?.querySelector("[data-spark]");
        const row = rows.find((other) => other[id] === one.id);
        if (place && row) fill(place, spark(row));
      }
    } catch {
      // a list without them is a list all the same
    }
  }

  const looked = () => (here().params.get("find") ?? "").toLowerCase();

  function show() {
    const wanted = looked();
    const found = wanted ? rows.filter((one) => one[id].toLowerCase().includes(wanted)) : rows;
    list.set(found, (one) => one[id], next ? -1 : found.length);
    told.textContent = wanted ? `${plural(found.length, "match", "matches")} for “${wanted}”` : handle.total ? plural(handle.total[name === "vehicles" ? "vehicles" : "meters"] ?? rows.length, title.toLowerCase().slice(0, -1)) : "";
    list.node.hidden = found.length === 0;
    fillChanged(nothing, [found.length === 0, wanted], () =>
      found.length > 0 ? [] : empty(wanted ? `No ${title.toLowerCase().slice(0, -1)} has “${wanted}” in its id.` : `No ${title.toLowerCase()} charged in this period.`),
    );
  }

  async function fetchMore() {
    if (busy || !next) return;
    busy = true;
    const after = next;
    try {
      const answer = await get(path, { ...query, from: handle.total.from, to: handle.total.to, after, limit: looked() ? 1000 : 200 }, aborted);
      // unless the list was loaded anew meanwhile
      if (after === next) {
        rows = [...rows, ...answer[name]];
        next = answer.next;
      }
    } catch {
      // the next refresh tries again; until then the list ends here, and nobody is said to be missing
      return;
    } finally {
      busy = false;
    }
    show();
    if (looked()) void fetchMore();
  }

  function find() {
    list.top();
    show();
    if (looked()) void fetchMore();
  }

  async function load(of, order, signal) {
    aborted = signal;
    query = { order: order === "id" ? (side === "vehicle" ? "vehicle_id" : "meter_id") : order };
    const answer = await get(path, { ...query, ...of, limit: Math.min(1000, Math.max(100, rows.length)) }, signal);
    rows = answer[name];
    next = answer.next;
    handle.total = answer.total;
    fetched.clear();
    show();
    if (looked()) void fetchMore();
  }

  return handle;
}
