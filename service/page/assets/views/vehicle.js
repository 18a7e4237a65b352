// A vehicle: its latest reading, what it charged and lost, and where.

import { get, Refused } from "../api.js";
import { efficiency, mean, onDays, onHours, openAlerts, sum, whole, worstFirst } from "../data.js";
import { fillChanged, h } from "../dom.js";
import { degrees, exactKwh, kwhParts, money, percent, soc } from "../format.js";
import { alertCard, chip, idLink, periodPicker, suitsDays, tile, tiles, time } from "../parts.js";
import { plot } from "../plot.js";
import { bounds, link, period, zone } from "../route.js";
import { grid } from "../table.js";
import { ago, minute } from "../time.js";
import { GAPS, verdict } from "../words.js";
import { acknowledge } from "./alerts.js";
import { sessionTable } from "./sessions.js";

const USUAL = "7d";
const NEWEST = 20;

// Where nothing was ever read or kept, that is no error.
export const unlessMissing = (promise) =>
  promise.catch((error) => {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  });

export function energyPlot(title) {
  return plot({ id: "energy", title, unit: "kWh" });
}

export function efficiencyPlot() {
  return plot({
    id: "efficiency",
    title: "Efficiency",
    note: "Of the energy that both sides explain, how much reached the battery.",
    unit: "%",
    range: (_, low, high) => [Math.max(0, Math.floor(Math.min(low ?? 80, 80) / 5) * 5 - 5), Math.max(100, high ?? 100)],
  });
}

export const inPercent = (share) => (share === null ? null : share * 100);
export const percentValue = (value) => (value === null ? "–" : percent(value / 100));

export function make({ ids: [id], signal, refresh, who }) {
  const head = h("div");
  const alerts = h("div", { class: "cards" });
  const figures = h("div");
  const energy = energyPlot("Energy drawn (AC) and delivered (DC)");
  const efficiencies = efficiencyPlot();
  const charge = plot({ id: "soc", title: "State of charge", unit: "%", range: () => [0, 100] });
  const temperature = plot({ id: "temperature", title: "Battery temperature", unit: "°C" });
  const links = h("div");
  const sessions = h("div");
  const node = h(
    "div",
    null,
    head,
    alerts,
    h("section", { "aria-labelledby": "figures" }, h("div", { class: "bar" }, h("h2", { id: "figures" }, "Charging"), periodPicker(USUAL)), figures),
    h("div", { class: "plots" }, energy.node, efficiencies.node, charge.node, temperature.node),
    h("section", { "aria-labelledby": "sessions" }, h("div", { class: "bar" }, h("h2", { id: "sessions" }, "Sessions"), h("a", { href: link("sessions", [], { vehicle: id }) }, "All of the period, and CSV")), sessions),
    h("section", { "aria-labelledby": "links" }, h("h2", { id: "links" }, "Chargers linked to it"), links),
  );

  async function load() {
    const shown = period(USUAL);
    const of = bounds(shown);
    const path = encodeURIComponent(id);
    const [state, performance, hourly, readings, open, linked, charged] = await Promise.all([
      unlessMissing(get(`/v1/vehicles/${path}`, {}, signal)),
      get(`/v1/analytics/performance/${path}`, of, signal),
      get(`/v1/analytics/performance/${path}/hourly`, of, signal),
      unlessMissing(get(`/v1/vehicles/${path}/hourly`, of, signal)),
      openAlerts({ vehicle: id }, signal),
      whole("/v1/links", "links", { vehicleId: id }, signal),
      whole("/v1/sessions", "sessions", { vehicle: id, ...of }, signal),
    ]);
    fillChanged(head, [state, performance.status, performance.efficiency, minute()], () => heading(id, state, performance));
    fillChanged(alerts, [open.rows, minute()], () =>
      worstFirst(open.rows).map((one) => alertCard(one, { alone: "device", acknowledge: acknowledge(who, refresh) })),
    );
    fillChanged(figures, performance, () => totals(performance, state));
    drawAll(shown, hourly.hours, readings?.hours ?? []);
    fillChanged(sessions, charged.rows, () => sessionTable(charged.rows.slice(-NEWEST).reverse(), "Vehicle", `Newest sessions of ${id}`));
    fillChanged(links, [linked.rows, zone()], () => linkTable(id, linked));
  }

  function drawAll(shown, hours, readings) {
    const at = zone();
    const common = { start: shown.from, end: Math.min(shown.to, Date.now()), zone: at };
    const days = suitsDays(shown);
    const cut = (rows) => {
      const found = days ? onDays(rows, common.start, common.end, at) : onHours(rows, common.start, common.end);
      const groups = days ? found.days : found.rows.map((row) => (row ? [row] : []));
      return { ...common, step: days ? "day" : "hour", times: found.times, groups };
    };
    const charging = cut(hours);
    energy.set({
      ...charging,
      groups: undefined,
      empty: "Nothing was charged in this period.",
      series: [
        { name: "AC", unit: "kWh", color: "ac", bars: true, format: exactKwh, values: charging.groups.map((rows) => sum(rows, "kwhConsumedAc")) },
        { name: "DC", unit: "kWh", color: "dc", bars: true, format: exactKwh, values: charging.groups.map((rows) => sum(rows, "kwhDeliveredDc")) },
      ],
    });
    efficiencies.set({
      ...charging,
      groups: undefined,
      empty: "Too little was charged to tell an efficiency.",
      series: [
        { name: "Efficiency", color: "good", format: percentValue, values: charging.groups.map((rows) => inPercent(efficiency(rows))) },
        { name: "Expected", color: "muted", dashes: true, format: percentValue, values: charging.groups.map((rows) => inPercent(mean(rows, "expectedEfficiency", "kwhMatchedAc"))) },
      ],
    });
    const read = cut(readings);
    charge.set({
      ...read,
      groups: undefined,
      series: [{ name: "State of charge", color: "ac", format: soc, values: read.groups.map((rows) => mean(rows, "soc", "samples")) }],
    });
    temperature.set({
      ...read,
      groups: undefined,
      series: [{ name: "Battery", color: "dc", format: degrees, values: read.groups.map((rows) => mean(rows, "batteryTemp", "samples")) }],
    });
  }

  const concerns = (event) =>
    event.chargingKeptAt || event.manyVehicles || event.vehicles?.includes(id) || event.alerts?.some((one) => one.vehicleId === id);
  return { title: `Vehicle ${id}`, node, load, concerns, device: { vehicle: id } };
}

function heading(id, state, performance) {
  return [
    h("p", { class: "crumbs" }, h("a", { href: link("fleet") }, "Fleet"), " › vehicle"),
    h("div", { class: "title" }, h("h1", null, id), chip(performance.status)),
    h("p", { class: "lead" }, verdict(performance)),
    state === null
      ? h("p", { class: "note" }, "No reading of a vehicle of this name was ever stored.")
      : h("p", { class: "note" }, "Latest reading ", time(state.timestamp), ` (${ago(state.timestamp)})`, state.openEvents > 0 ? `; ${state.openEvents} resets or jumps of its counter wait for somebody to say what flowed` : "", " · ", h("a", { href: link("hour", ["vehicles", id], { hour: state.timestamp }) }, "explain that hour")),
  ];
}

function totals(of, state) {
  const gap = of.costGap ? GAPS[of.costGap] : null;
  return tiles(
    tile("Drawn from the grid (AC)", kwhParts(of.kwhConsumedAc), of.cost === null ? gap : money(of.cost, of.currency)),
    tile("Delivered (DC)", kwhParts(of.kwhDeliveredDc), of.kwhDeliveredDcUnlinked > 0 ? `and ${exactKwh(of.kwhDeliveredDcUnlinked)} kWh elsewhere` : null),
    tile("Lost on the way", kwhParts(of.kwhLost), of.lossCost === null ? gap : money(of.lossCost, of.currency), of.kwhExcessLost > 0 ? `of which avoidable: ${exactKwh(of.kwhExcessLost)} kWh` : null),
    tile("Efficiency", of.efficiency === null ? ["–"] : [percent(of.efficiency).replace(/\s*%/, ""), "%"], of.uncertainty === null ? null : `± ${percent(of.uncertainty, 2)}`, of.coverage === null ? null : `${percent(of.coverage, 0)} of the energy is covered by both sides`),
    tile("State of charge", state?.soc === null || !state ? ["–"] : [soc(state.soc).replace(/\s*%/, ""), "%"], state ? `battery at ${degrees(state.batteryTemp)}` : null),
  );
}

function linkTable(id, { rows, more }) {
  return [
    more ? h("p", { class: "note" }, `The first ${rows.length} links.`) : null,
    grid({
      caption: `Chargers that feed ${id}`,
      hidden: true,
      empty: "It is linked to no charger.",
      columns: [
        { name: "Charger", head: true, cell: (one) => idLink("charger", one.meterId) },
        { name: "From", cell: (one) => (one.from === null ? "ever" : time(one.from)) },
        { name: "To", cell: (one) => (one.to === null ? "further notice" : time(one.to)) },
      ],
      rows: [...rows].reverse().slice(0, NEWEST),
    }),
  ];
}

