// What statuses, alerts and causes mean, in sentences for whoever never heard of them.

import { kwh, money, percent, plural } from "./format.js";

export const STATUSES = {
  healthy: "Healthy",
  drifting: "Getting worse",
  degraded: "Loses too much",
  impossible: "Impossible values",
  frozen: "Counter stands still",
  insufficient: "Too little to judge",
  idle: "Idle",
  no_data: "No data",
  unlinked: "Not linked",
};

const BAD = new Set(["degraded", "impossible", "frozen"]);
const WARN = new Set(["drifting"]);

export const tone = (status) =>
  BAD.has(status) ? "bad" : WARN.has(status) ? "warn" : status === "healthy" ? "good" : "none";

export const MEANINGS = {
  healthy: "As much of the energy reaches the battery as is to be expected.",
  drifting: "For some charges less reaches the battery than usual.",
  degraded: "Less energy reaches the battery than a sound charge delivers.",
  impossible: "More energy is counted at the battery than at the grid: a meter counts wrongly.",
  frozen: "Energy flows, and one of the two counters stands still.",
  insufficient: "There is too little energy, or too many readings are missing, to say anything.",
  idle: "Nothing was charged.",
  no_data: "No readings came.",
  unlinked: "No charger is linked to it, so there is nothing to compare with.",
};

const KINDS = {
  degraded: "loses too much energy",
  drifting: "loses more and more energy",
  impossible: "counts less than its vehicles receive",
  frozen: "has a counter that stands still",
  silent: "sends no readings",
  register: "has a counter that was reset or jumped",
  unlinked: "charges vehicles that nobody knows",
  standby: "draws too much while nothing charges",
};

export const KIND_NAMES = {
  degraded: "Loses too much",
  drifting: "Getting worse",
  impossible: "Impossible values",
  frozen: "Counter stands still",
  silent: "Silent",
  register: "Counter reset or jumped",
  unlinked: "Unknown vehicles",
  standby: "Idle draw",
};

const CAUSES = {
  charger: "the charger: its losses rose from one charge to the next",
  wiring_or_ageing: "wiring or ageing: its losses rose slowly",
  temperature: "cold: only charges in the cold are affected",
  vehicle: "the vehicle: it loses too much wherever it charges",
  swapped_links: "two chargers that are mixed up in the links",
  wrong_link: "a link that names the wrong charger",
  metering: "a meter that counts wrongly",
  counter: "a counter that no longer moves though it reports",
  communication: "the connection: nothing arrives from it",
  register_reset: "a counter that was reset",
  register_jump: "a counter that jumped",
  unknown_vehicle: "vehicles without a link to this charger",
  idle_draw: "power drawn while idle",
  unknown: "not known yet",
};

const CLOSED = {
  good: "it is good again",
  corrected: "readings that came late set it right",
  superseded: "another alert tells the same fault better",
  settled: "somebody has settled it",
  reported: "it reports again",
};

export const subject = (alert) =>
  alert.meterId === null
    ? { side: "vehicle", id: alert.vehicleId, name: `Vehicle ${alert.vehicleId}` }
    : { side: "charger", id: alert.meterId, name: `Charger ${alert.meterId}` };

export const whatIsWrong = (alert) => KINDS[alert.kind] ?? alert.kind;
export const cause = (alert) => CAUSES[alert.cause] ?? alert.cause;
export const closedBecause = (alert) => CLOSED[alert.closedBecause] ?? alert.closedBecause ?? "";

// What an alert has cost so far: the figure, and what there is to say about it.
export function lost(alert) {
  if (alert.lostKwh === null) {
    const why = {
      frozen: "cannot be known while a counter stands still",
      impossible: "cannot be known while a meter counts wrongly",
      silent: "cannot be known without readings",
      register: "to be booked or dismissed by somebody who knows",
    };
    return { figure: "Unknown", note: why[alert.kind] ?? "cannot be known" };
  }
  const among = plural(alert.charges, alert.kind === "standby" ? "day" : "charge");
  if (alert.lostCost === null) return { figure: kwh(alert.lostKwh), note: `in ${among}; no price is known` };
  return { figure: money(alert.lostCost, alert.currency), note: `${kwh(alert.lostKwh)} in ${among}` };
}

export const GAPS = {
  no_tariff: "no tariff for some of the energy",
  currencies: "prices in several currencies",
};

// A sentence about what a vehicle or charger did in a period.
export function verdict(one) {
  const meaning = MEANINGS[one.status] ?? "";
  if (one.efficiency === null || one.efficiency === undefined) return meaning;
  const expected = one.expectedEfficiency ? `; at least ${percent(one.expectedEfficiency)} is expected` : "";
  const said = `${percent(one.efficiency)} of the energy drawn reached the battery${expected}.`;
  return one.status === "healthy" ? said : `${said} ${meaning}`;
}

export const REASONS = {
  future: "From the future",
  too_old: "Too old",
  out_of_range: "Out of range",
  conflict: "Differs from what is stored",
  malformed: "Malformed",
};

export const DISCARDED = { voltage_v: "Voltage", soc_percent: "State of charge", battery_temp_c: "Battery temperature" };

export const EVENTS = {
  glitch: "Went elsewhere and came back",
  rollover: "Began again at its end",
  reset: "Was reset",
  jump: "Jumped",
  exchange: "Was exchanged",
  kind: "Became a register",
  session: "Began a session",
};

export const EVENT_STATES = { open: "Open", provisional: "Provisional", settled: "Settled" };
