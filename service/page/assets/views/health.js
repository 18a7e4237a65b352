// Data health: who is silent or late, what was refused, what counters did, and what waits.

import { get } from "../api.js";
import { fillChanged, h } from "../dom.js";
import { count, exactKwh, plural } from "../format.js";
import { idLink, periodPicker, tile, tiles, time } from "../parts.js";
import { bounds, link, period } from "../route.js";
import { grid } from "../table.js";
import { ago, lasting, minute } from "../time.js";
import { DISCARDED, EVENTS, EVENT_STATES, REASONS } from "../words.js";

const USUAL = "24h";
const SIDES = { meter: "charger", vehicle: "vehicle" };
const MOST = 100;

export function make({ signal }) {
  const place = h("div", { class: "explained" });
  const node = h("div", null, h("div", { class: "bar" }, h("h1", null, "Data health"), periodPicker(USUAL)), place);

  async function load() {
    const told = await get("/v1/data-health", bounds(period(USUAL)), signal);
    const { from, to, ...shown } = told;
    fillChanged(place, [shown, minute()], () => show(shown));
  }

  return { title: "Data health", node, load };
}

const device = (one) => h("span", null, idLink(SIDES[one.side], one.id));
const sideName = (one) => (one.side === null ? "not known" : `${SIDES[one.side]}s`);

function show(told) {
  const sum = (name) => told.devices.reduce((total, one) => total + one[name], 0);
  const refused = told.refused.reduce((total, one) => total + one.readings, 0);
  const { waiting } = told;
  return [
    tiles(
      tile("Devices", [count(sum("devices"))], ...told.devices.map((one) => plural(one.devices, SIDES[one.side]))),
      tile("Silent", [count(sum("silent"))], "send nothing while others do"),
      tile("Late", [count(sum("late"))], "their newest reading came long after it was taken"),
      tile("Refused readings", [count(refused)], "kept in quarantine, nothing is lost"),
      tile("Counters to be settled", [count(told.openRegisterEvents)], "resets and jumps that somebody must book or dismiss"),
      tile("Waiting", [count(waiting.settling + waiting.charging)], waits(waiting)),
    ),
    told.silent.length + told.late.length + refused + told.openRegisterEvents + waiting.failing === 0
      ? h("p", { class: "headline" }, h("strong", { class: "good" }, "All data is as it should be."))
      : null,
    part("Silent devices", told.silent, "No device is silent.", [
      { name: "Device", head: true, cell: device },
      { name: "Side", cell: (one) => SIDES[one.side] },
      { name: "Latest reading", cell: (one) => time(one.timestamp) },
      { name: "Silent for", cell: (one) => lasting(Date.now() - Date.parse(one.timestamp)) },
    ]),
    part("Late devices", told.late, "No device is late.", [
      { name: "Device", head: true, cell: device },
      { name: "Side", cell: (one) => SIDES[one.side] },
      { name: "Latest reading", cell: (one) => time(one.timestamp) },
      { name: "Came", cell: (one) => time(one.receivedAt) },
      { name: "Later by", cell: (one) => lasting(Date.parse(one.receivedAt) - Date.parse(one.timestamp)) },
    ]),
    part("Refused readings, by reason", told.refused, "No reading was refused in this period.", [
      { name: "Reason", head: true, cell: (one) => REASONS[one.reason] ?? one.reason },
      { name: "Of", cell: sideName },
      { name: "Readings", number: true, cell: (one) => count(one.readings) },
      { name: "Devices", number: true, cell: (one) => count(one.devices) },
      { name: "Newest", cell: (one) => time(one.newest) },
      { name: "The newest says", class: "sentence", cell: (one) => [one.exampleOf ? h("strong", null, `${one.exampleOf}: `) : "", one.example] },
    ]),
    part("Values left out", told.discarded, "No value was beyond its bounds.", [
      { name: "Value", head: true, cell: (one) => DISCARDED[one.field] ?? one.field },
      { name: "Of", cell: sideName },
      { name: "Readings", number: true, cell: (one) => count(one.readings) },
      { name: "Devices", number: true, cell: (one) => count(one.devices) },
      { name: "Newest", cell: (one) => time(one.newest) },
    ]),
    part("What counters did", told.registerEvents, "No counter was reset, jumped or was exchanged in this period.", [
      { name: "Device", head: true, cell: device },
      { name: "At", cell: (one) => h("a", { href: link("hour", [`${one.side}s`, one.id], { hour: one.happenedAt }), title: "Explain this hour" }, time(one.happenedAt)) },
      { name: "Event", cell: (one) => EVENTS[one.event] ?? one.event },
      { name: "Booked, kWh", number: true, cell: (one) => exactKwh(one.bookedKwh) },
      { name: "Explained, kWh", number: true, cell: (one) => exactKwh(one.explainedKwh) },
      { name: "State", cell: (one) => h("span", { class: `chip ${one.state === "open" ? "warn" : "none"}` }, EVENT_STATES[one.state] ?? one.state) },
    ]),
  ];
}

function waits({ settling, settlingSince, charging, chargingSince, failing }) {
  if (failing > 0) return `${plural(failing, "day")} of devices cannot be settled: see ops.failing_devices`;
  const since = [settlingSince, chargingSince].filter(Boolean).sort()[0];
  return settling + charging === 0 ? "all that came is settled" : `days of devices, since ${ago(since)}`;
}

function part(title, rows, none, columns) {
  const more = rows.length >= MOST ? ` The first ${MOST}.` : "";
  return h(
    "section",
    { "aria-label": title },
    h("div", { class: "bar" }, h("h2", null, title), more ? h("p", { class: "note" }, more) : null),
    grid({ caption: title, hidden: true, high: true, empty: none, columns, rows }),
  );
}
