// A charger: what it drew, what its vehicles got of that, and what it takes while idle.

import { get } from "../api.js";
import { onDays, onHours, openAlerts, sum, whole, worstFirst } from "../data.js";
import { fillChanged, h } from "../dom.js";
import { exactKwh, kwh, kwhParts, money, percent, volts, watts } from "../format.js";
import { alertCard, chip, idLink, periodPicker, suitsDays, tile, tiles, time } from "../parts.js";
import { plot } from "../plot.js";
import { bounds, link, period, zone } from "../route.js";
import { grid } from "../table.js";
import { ago, minute } from "../time.js";
import { GAPS, tone, verdict } from "../words.js";
import { acknowledge } from "./alerts.js";
import { sessionTable } from "./sessions.js";
import { energyPlot, inPercent, percentValue, unlessMissing } from "./vehicle.js";

const USUAL = "7d";
const NEWEST = 20;

export function make({ ids: [id], signal, refresh, who }) {
  const head = h("div");
  const alerts = h("div", { class: "cards" });
  const figures = h("div");
  const energy = energyPlot("Energy drawn from the grid (AC)");
  const charges = plot({
    id: "charges",
    title: "Efficiency of each charge",
    note: "Each point is a charge; below the dashed line it lost more than a sound one does.",
    unit: "%",
    range: (_, low, high) => [Math.max(0, Math.floor(Math.min(low ?? 80, 80) / 5) * 5 - 5), Math.max(100, high ?? 100)],
  });
  const vehicles = h("div");
  const sessions = h("div");
  const node = h(
    "div",
    null,
    head,
    alerts,
    h("section", { "aria-labelledby": "figures" }, h("div", { class: "bar" }, h("h2", { id: "figures" }, "Charging"), periodPicker(USUAL)), figures),
    h("div", { class: "plots" }, charges.node, energy.node),
    h("section", { "aria-labelledby": "vehicles" }, h("h2", { id: "vehicles" }, "Vehicles that charged here"), vehicles),
    h("section", { "aria-labelledby": "sessions" }, h("div", { class: "bar" }, h("h2", { id: "sessions" }, "Sessions"), h("a", { href: link("sessions", [], { meter: id }) }, "All of the period, and CSV")), sessions),
  );

  async function load() {
    const shown = period(USUAL);
    const of = bounds(shown);
    const path = encodeURIComponent(id);
    const [state, performance, hourly, open, charged] = await Promise.all([
      unlessMissing(get(`/v1/meters/${path}`, {}, signal)),
      get(`/v1/analytics/meters/${path}`, of, signal),
      unlessMissing(get(`/v1/meters/${path}/hourly`, of, signal)),
      openAlerts({ meter: id }, signal),
      whole("/v1/sessions", "sessions", { meter: id, ...of }, signal),
    ]);
    fillChanged(head, [state, performance.status, performance.efficiency, minute()], () => heading(id, state, performance));
    fillChanged(alerts, [open.rows, minute()], () =>
      worstFirst(open.rows).map((one) => alertCard(one, { alone: "device", acknowledge: acknowledge(who, refresh) })),
    );
    fillChanged(figures, performance, () => totals(performance));
    drawAll(shown, hourly?.hours ?? [], charged.rows);
    fillChanged(vehicles, performance.vehicles, () => vehicleTable(id, performance.vehicles));
    fillChanged(sessions, charged.rows, () => sessionTable(charged.rows.slice(-NEWEST).reverse(), "Charger", `Newest sessions at ${id}`));
  }

  function drawAll(shown, hours, sessionsOfIt) {
    const at = zone();
    const common = { start: shown.from, end: Math.min(shown.to, Date.now()), zone: at };
    const days = suitsDays(shown);
    const found = days ? onDays(hours, common.start, common.end, at) : onHours(hours, common.start, common.end);
    const groups = days ? found.days : found.rows.map((row) => (row ? [row] : []));
    energy.set({
      ...common,
      step: days ? "day" : "hour",
      times: found.times,
      empty: "Nothing was drawn in this period.",
      series: [{ name: "AC", unit: "kWh", color: "ac", bars: true, format: exactKwh, values: groups.map((rows) => sum(rows, "kwhConsumedAc")) }],
    });
    charges.set({
      ...common,
      step: "charge",
      times: sessionsOfIt.map((one) => Date.parse(one.from)),
      empty: "Nothing was charged in this period.",
      series: [
        { name: "Efficiency", color: "good", points: true, format: percentValue, values: sessionsOfIt.map((one) => inPercent(one.efficiency)) },
        { name: "Too low", color: "bad", points: true, format: percentValue, values: sessionsOfIt.map((one) => (tone(one.status) === "bad" ? inPercent(one.efficiency) : null)) },
        { name: "Expected", color: "muted", dashes: true, format: percentValue, values: sessionsOfIt.map((one) => inPercent(one.expectedEfficiency)) },
      ],
    });
  }

  const concerns = (event) =>
    event.chargingKeptAt || event.manyMeters || event.meters?.includes(id) || event.alerts?.some((one) => one.meterId === id);
  return { title: `Charger ${id}`, node, load, concerns, device: { meter: id } };
}

function heading(id, state, performance) {
  return [
    h("p", { class: "crumbs" }, h("a", { href: link("fleet") }, "Fleet"), " › charger"),
    h("div", { class: "title" }, h("h1", null, id), chip(performance.status)),
    h("p", { class: "lead" }, verdict(performance)),
    state === null
      ? h("p", { class: "note" }, "No reading of a charger of this name was ever stored.")
      : h("p", { class: "note" }, "Latest reading ", time(state.timestamp), ` (${ago(state.timestamp)}) at ${volts(state.voltage)}`, state.openEvents > 0 ? `; ${state.openEvents} resets or jumps of its counter wait for somebody to say what flowed` : "", " · ", h("a", { href: link("hour", ["meters", id], { hour: state.timestamp }) }, "explain that hour")),
  ];
}

function totals(of) {
  const gap = of.costGap ? GAPS[of.costGap] : null;
  return tiles(
    tile("Drawn from the grid (AC)", kwhParts(of.kwhConsumedAc), of.cost === null ? gap : money(of.cost, of.currency)),
    tile("Lost on the way", kwhParts(of.kwhLost), of.lossCost === null ? gap : money(of.lossCost, of.currency), of.kwhExcessLost > 0 ? `of which avoidable: ${kwh(of.kwhExcessLost)}${of.excessLossCost === null ? "" : `, ${money(of.excessLossCost, of.currency)}`}` : null),
    tile("Efficiency", of.efficiency === null ? ["–"] : [percent(of.efficiency).replace(/\s*%/, ""), "%"], of.expectedEfficiency === null ? null : `at least ${percent(of.expectedEfficiency)} is expected`),
    tile("Standby", kwhParts(of.kwhStandbyAc), of.standbyW === null ? "never idle" : `${watts(of.standbyW)} while idle`, of.standbyCost === null ? gap : money(of.standbyCost, of.currency)),
    tile("To nobody known", kwhParts(of.kwhUnlinkedAc), "drawn while no vehicle was linked"),
  );
}

function vehicleTable(id, rows) {
  return grid({
    caption: `Vehicles that charged at ${id}`,
    hidden: true,
    empty: "No vehicle charged here in this period.",
    columns: [
      { name: "Vehicle", head: true, cell: (one) => idLink("vehicle", one.vehicleId) },
      { name: "AC kWh", number: true, cell: (one) => exactKwh(one.kwhActiveAc) },
      { name: "Efficiency", number: true, cell: (one) => percent(one.efficiency) },
      { name: "Expected", number: true, cell: (one) => percent(one.expectedEfficiency) },
      { name: "Lost kWh", number: true, cell: (one) => exactKwh(one.kwhLost) },
      { name: "Lost", number: true, cell: (one) => money(one.lossCost, one.currency) },
      { name: "Verdict", cell: (one) => chip(one.status) },
    ],
    rows,
  });
}
