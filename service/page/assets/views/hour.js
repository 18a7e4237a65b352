// An hour explained: which readings, records, entries and events make its energy, for disputes.

import { get } from "../api.js";
import { fill, fillChanged, h } from "../dom.js";
import { exact, plural } from "../format.js";
import { empty, idLink, time } from "../parts.js";
import { change, here, link, zone } from "../route.js";
import { grid } from "../table.js";
import { clock, dayName, dayNamed, daysLater, hour as hourName, seconds, stamp } from "../time.js";

const HOUR = 3_600_000;
const SIDES = { meters: "Charger", vehicles: "Vehicle" };
const KINDS = { difference: "difference", lifetime_register: "register", session_counter: "counter of a session" };
const WORDS = (text) => (text ?? "").replaceAll("_", " ");

export function make({ ids: [asked, id = ""], signal }) {
  const side = asked in SIDES ? asked : "meters";
  const at = hourOf(here().params.get("hour"));
  const place = h("div", { class: "explained" });
  const node = h("div", null, h("div", null, h("h1", null, "Hour explained"), h("p", { class: "lead" }, "Why an hour has the energy that is billed: what was reported, what people said, and what the ledger made of it.")), form(side, id, at), place);

  async function load() {
    if (!id) {
      fillChanged(place, "", () => empty("Name a charger or a vehicle, and an hour."));
      return;
    }
    const told = await get(`/v1/explain/${side}/${encodeURIComponent(id)}`, { hour: stamp(at) }, signal);
    fillChanged(place, told, () => show(told, side, id));
  }

  const about = side === "meters" ? { meter: id } : { vehicle: id };
  const concerns = (event) => event.manyMeters || event.manyVehicles || event[side]?.includes(id);
  return { title: id ? `Hour of ${id}` : "Hour explained", node, load, concerns, device: id ? about : null };
}

function hourOf(text) {
  const given = Date.parse(text ?? "");
  return Math.floor((Number.isNaN(given) ? Date.now() - HOUR : given) / HOUR) * HOUR;
}

// The hours that start in a day of the zone: 23 or 25 where the clock is changed.
function hoursOf(day) {
  const first = Math.ceil(day / HOUR) * HOUR;
  const end = daysLater(day, 1, zone());
  const found = [];
  for (let one = first; one < end; one += HOUR) found.push(one);
  return found;
}

function form(side, id, at) {
  const which = h("select", { id: "side" }, Object.entries(SIDES).map(([key, text]) => h("option", { value: key, selected: key === side }, text)));
  const device = h("input", { id: "device", required: true, maxlength: 128, value: id });
  const day = h("input", { type: "date", id: "day", required: true, value: dayName(at, zone()), onchange: () => hours() });
  const hour = h("select", { id: "hour" });

  function hours() {
    const of = dayNamed(day.value, zone());
    if (Number.isNaN(of)) return;
    fill(hour, hoursOf(of).map((one) => h("option", { value: String(one), selected: one === at }, clock(one, zone(), { timeZoneName: "short" }))));
  }

  hours();
  return h(
    "form",
    {
      class: "filter",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = link("hour", [which.value, device.value.trim()], { hour: stamp(Number(hour.value)) });
      },
    },
    h("div", { class: "field" }, h("label", { for: "side" }, "Side"), which),
    h("div", { class: "field" }, h("label", { for: "device" }, "Id"), device),
    h("div", { class: "field" }, h("label", { for: "day" }, "Day"), day),
    h("div", { class: "field" }, h("label", { for: "hour" }, "Hour"), hour),
    h("button", { type: "submit", class: "primary" }, "Explain"),
    id
      ? h(
          "div",
          { class: "segments" },
          h("button", { type: "button", "data-focus": "before", onclick: () => change({ hour: stamp(at - HOUR) }) }, "Hour before"),
          h("button", { type: "button", "data-focus": "after", onclick: () => change({ hour: stamp(at + HOUR) }) }, "Hour after"),
        )
      : null,
  );
}

function show(told, side, id) {
  const at = zone();
  const second = (moment) => (moment === null ? "–" : seconds(moment, at));
  return [
    h(
      "div",
      null,
      h("h2", null, idLink(side === "meters" ? "charger" : "vehicle", id), `, ${hourName(told.hour, at)}`),
      h("p", { class: "headline" }, h("strong", null, `${exact(told.energyKwh)}\u00a0kWh`), told.provisional ? h("span", { class: "tag warning" }, "provisional") : null),
      h("p", { class: "lead" }, told.sentence),
    ),
    part("Readings", told.readings, "No reading has energy in this hour.", [
      { name: "At", head: true, cell: (one) => second(one.at) },
      { name: "Since", cell: (one) => second(one.from) },
      { name: "Reported", number: true, cell: (one) => `${exact(one.reportedKwh)}\u00a0kWh` },
      { name: "As", cell: (one) => KINDS[one.kind] ?? WORDS(one.kind) },
      { name: "In this hour, kWh", number: true, cell: (one) => exact(one.energyKwh) },
      { name: "Why", class: "sentence", cell: (one) => one.sentence },
    ]),
    part("What people said", told.records, null, [
      { name: "Record", head: true, cell: (one) => `${one.recordId} ${WORDS(one.record)}` },
      { name: "About", cell: (one) => time(one.at) },
      { name: "kWh", number: true, cell: (one) => exact(one.energyKwh) },
      { name: "By", cell: (one) => one.madeBy },
      { name: "On", cell: (one) => time(one.recordedAt) },
      { name: "What it says", class: "sentence", cell: (one) => `${one.sentence} Reason given: “${one.reason}”` },
    ]),
    part("What the counter did", told.events, null, [
      { name: "At", head: true, cell: (one) => second(one.at) },
      { name: "Event", cell: (one) => WORDS(one.event) },
      { name: "Before, kWh", number: true, cell: (one) => exact(one.beforeKwh) },
      { name: "Reported, kWh", number: true, cell: (one) => exact(one.reportedKwh) },
      { name: "Booked, kWh", number: true, cell: (one) => exact(one.bookedKwh) },
      { name: "What that means", class: "sentence", cell: (one) => one.sentence },
    ]),
    part("Entries of the ledger", told.entries, "The ledger has no entry in this hour.", [
      { name: "At", head: true, cell: (one) => second(one.at) },
      { name: "Entry", number: true, cell: (one) => String(one.entry) },
      { name: "Reason", cell: (one) => WORDS(one.reason) },
      { name: "kWh", number: true, cell: (one) => exact(one.energyKwh) },
      { name: "What that means", class: "sentence", cell: (one) => one.sentence },
    ]),
  ];
}

function part(title, rows, none, columns) {
  if (rows.length === 0 && none === null) return null;
  return h(
    "section",
    { "aria-label": title },
    h("div", { class: "bar" }, h("h2", null, title), rows.length > 0 ? h("p", { class: "note" }, sums(rows)) : null),
    grid({ caption: title, hidden: true, high: true, empty: none, columns, rows }),
  );
}

const sums = (rows) => plural(rows.length, "row");
