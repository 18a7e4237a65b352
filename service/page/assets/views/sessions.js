// Charging sessions as a table, of all or of one vehicle or charger, with a download as CSV.

import { csv, get } from "../api.js";
import { fill, h } from "../dom.js";
import { count, exactKwh, kilowatts, money, percent, plural, soc } from "../format.js";
import { chip, empty, idLink, periodPicker } from "../parts.js";
import { bounds, change, here, link, period, zone } from "../route.js";
import { grid } from "../table.js";
import { dayName, hour, lasting } from "../time.js";

const USUAL = "7d";

const COLUMNS = [
  { name: "From", head: true, cell: (one) => h("a", { href: link("hour", ["meters", one.meterId], { hour: one.from }), title: "Explain the hour in which it started" }, hour(one.from, zone())) },
  { name: "Lasted", cell: (one) => lasting(Date.parse(one.to) - Date.parse(one.from)) },
  { name: "Charger", cell: (one) => idLink("charger", one.meterId) },
  { name: "Vehicle", cell: (one) => (one.vehicleId ? idLink("vehicle", one.vehicleId) : "unknown") },
  { name: "AC kWh", number: true, cell: (one) => exactKwh(one.kwhConsumedAc) },
  { name: "DC kWh", number: true, cell: (one) => exactKwh(one.kwhDeliveredDc) },
  { name: "Efficiency", number: true, cell: (one) => percent(one.efficiency) },
  { name: "Expected", number: true, cell: (one) => percent(one.expectedEfficiency) },
  { name: "Lost kWh", number: true, cell: (one) => exactKwh(one.kwhLost) },
  { name: "Cost", number: true, cell: (one) => money(one.cost, one.currency) },
  { name: "Lost", number: true, cell: (one) => money(one.lossCost, one.currency) },
  { name: "Peak", number: true, cell: (one) => kilowatts(one.peakKw) },
  { name: "SoC", number: true, cell: (one) => (one.socStart === null ? "–" : `${soc(one.socStart)} → ${soc(one.socEnd)}`) },
  { name: "Verdict", cell: (one) => chip(one.status) },
];

// Sessions as the pages of vehicles and chargers have them, without the column that is the same.
export function sessionTable(rows, without, caption) {
  return grid({
    caption,
    hidden: true,
    empty: "No charge started in this period.",
    columns: COLUMNS.filter((one) => one.name !== without),
    rows,
  });
}

export function make({ signal, refresh }) {
  const { params } = here();
  const filter = { vehicle: params.get("vehicle"), meter: params.get("meter") };
  const told = h("p", { class: "note", role: "status" });
  const place = h("div");
  const query = () => ({ ...filter, ...bounds(period(USUAL)) });
  let wanted = 200;
  let said = "";

  const vehicle = h("input", { id: "vehicle", value: filter.vehicle ?? "", maxlength: 128, placeholder: "all" });
  const meter = h("input", { id: "meter", value: filter.meter ?? "", maxlength: 128, placeholder: "all" });
  const download = h("button", { type: "button", "data-focus": "csv", onclick: save }, "Download CSV");
  const node = h(
    "div",
    null,
    h("div", { class: "bar" }, h("h1", null, "Sessions"), periodPicker(USUAL)),
    h(
      "form",
      {
        class: "filter",
        "aria-label": "Filter",
        onsubmit: (event) => {
          event.preventDefault();
          change({ vehicle: vehicle.value.trim(), meter: meter.value.trim() });
        },
      },
      h("div", { class: "field" }, h("label", { for: "vehicle" }, "Vehicle"), vehicle),
      h("div", { class: "field" }, h("label", { for: "meter" }, "Charger"), meter),
      h("button", { type: "submit" }, "Show"),
      download,
      told,
    ),
    place,
  );

  async function save() {
    download.disabled = true;
    try {
      const text = await csv("/v1/sessions", query(), signal, (lines) => {
        told.textContent = `${count(lines)} sessions so far`;
      });
      const of = period(USUAL);
      const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      h("a", { href: address, download: `sessions-${dayName(of.from, zone())}-${dayName(of.to - 1, zone())}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      told.textContent = "Downloaded; times in it are in UTC.";
    } catch (error) {
      if (error.name !== "AbortError") told.textContent = error.message;
    } finally {
      download.disabled = false;
    }
  }

  async function load() {
    const rows = [];
    let after = null;
    do {
      const answer = await get("/v1/sessions", { ...query(), after, limit: Math.min(1000, wanted - rows.length) }, signal);
      rows.push(...answer.sessions);
      after = answer.next;
    } while (after && rows.length < wanted);
    const text = JSON.stringify([rows, after !== null]);
    if (text === said) return;
    said = text;
    const more = after ? ", the oldest of the period; there are more" : "";
    told.textContent = rows.length === 0 ? "" : `${plural(rows.length, "session")}${more}`;
    fill(
      place,
      rows.length === 0
        ? empty("No charge started in this period.")
        : grid({ caption: `Charging sessions, times in ${zone()}`, hidden: true, high: true, columns: COLUMNS, rows }),
      after ? h("button", { type: "button", "data-focus": "more", onclick: () => ((wanted += 200), refresh()) }, "Show more") : null,
    );
  }

  return { title: "Sessions", node, load, concerns: (event) => event.chargingKeptAt };
}
