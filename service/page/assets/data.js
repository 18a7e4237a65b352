// Answers of the API as views need them: hours put on a grid, days of a zone, whole lists.

import { get } from "./api.js";
import { daysLater, dayStart } from "./time.js";

const HOUR = 3_600_000;

// Hours by their start, with null where nothing is known, so that a plot has gaps there.
export function onHours(rows, start, end, value) {
  const first = Math.floor(start / HOUR) * HOUR;
  const times = [];
  for (let at = first; at < end; at += HOUR) times.push(at);
  const found = new Map(rows.map((row) => [Date.parse(row.from), row]));
  return { times, rows: times.map((at) => found.get(at) ?? null), value };
}

// Local days, each with the hours that start in it; a day has 23 or 25 where the clock is changed.
export function onDays(rows, start, end, zone) {
  const times = [];
  for (let at = dayStart(start, zone); at < end; at = daysLater(at, 1, zone)) times.push(at);
  const ends = [...times.slice(1), Infinity];
  const days = times.map(() => []);
  let day = 0;
  for (const row of rows) {
    const at = Date.parse(row.from);
    while (at >= ends[day]) day += 1;
    if (at >= times[0]) days[day].push(row);
  }
  return { times, days };
}

export const sum = (rows, name) =>
  rows.length === 0 ? null : rows.reduce((total, row) => total + (row[name] ?? 0), 0);

// What was matched of the DC by the AC, of several hours together; null where nothing was.
export function efficiency(rows) {
  const ac = sum(rows, "kwhMatchedAc");
  return ac > 0.05 ? sum(rows, "kwhMatchedDc") / ac : null;
}

// A mean of a value, weighted by another.
export function mean(rows, name, weight) {
  let total = 0;
  let weights = 0;
  for (const row of rows) {
    if (row[name] === null || row[name] === undefined) continue;
    const by = weight ? row[weight] : 1;
    total += row[name] * by;
    weights += by;
  }
  return weights > 0 ? total / weights : null;
}

// All pages of a list, up to `most` rows.
export async function whole(path, name, query, signal, most = 1000) {
  const rows = [];
  let after = null;
  do {
    const answer = await get(path, { ...query, after, limit: Math.min(1000, most - rows.length) }, signal);
    rows.push(...answer[name]);
    after = answer.next;
  } while (after && rows.length < most);
  return { rows, more: Boolean(after) };
}

export const openAlerts = (query, signal) => whole("/v1/alerts", "alerts", query, signal);

// The worst first: urgent ones, then what cost most, then what is oldest.
export function worstFirst(alerts) {
  const urgent = (one) => (one.severity === "critical" ? 0 : 1);
  return [...alerts].sort(
    (a, b) =>
      urgent(a) - urgent(b) ||
      (b.lostCost ?? -1) - (a.lostCost ?? -1) ||
      (b.lostKwh ?? -1) - (a.lostKwh ?? -1) ||
      Date.parse(a.since) - Date.parse(b.since),
  );
}
