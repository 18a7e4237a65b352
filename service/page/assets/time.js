// Times in a chosen zone: how they are written, and where days start and end in it.

const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const formats = new Map();

function format(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  }
  return formats.get(key);
}

export const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export function isZone(name) {
  try {
    format(name, {});
    return true;
  } catch {
    return false;
  }
}

export function zones() {
  const known = Intl.supportedValuesOf?.("timeZone") ?? [];
  return [...new Set(["UTC", browserZone(), ...known])];
}

const milliseconds = (moment) => (typeof moment === "number" ? moment : Date.parse(moment));

const PARTS = {
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

// Year to second on the wall clock of a zone, as numbers.
function wallClock(ms, zone) {
  const found = {};
  for (const { type, value } of format(zone, PARTS).formatToParts(ms)) found[type] = Number(value);
  return found;
}

// How much a zone's wall clock is ahead of UTC at a moment, in milliseconds.
function offset(ms, zone) {
  const at = wallClock(ms, zone);
  const asIfUtc = Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second);
  return asIfUtc - Math.floor(ms / 1000) * 1000;
}

// The moment at which a day starts; where its midnight is left out, the first one after that.
function startOf(year, month, day, zone) {
  const asIfUtc = Date.UTC(year, month - 1, day);
  const tried = [offset(asIfUtc - DAY, zone), offset(asIfUtc + DAY, zone)].map((one) => asIfUtc - one);
  const right = tried.filter((one) => offset(one, zone) === asIfUtc - one);
  return right.length > 0 ? Math.min(...right) : Math.max(...tried);
}

export function dayStart(moment, zone) {
  const at = wallClock(milliseconds(moment), zone);
  return startOf(at.year, at.month, at.day, zone);
}

// The start of the day that many days later: 23 or 25 hours each where the clock is changed.
export function daysLater(moment, days, zone) {
  const at = wallClock(milliseconds(moment), zone);
  return startOf(at.year, at.month, at.day + days, zone);
}

// The start of a day given as 2026-03-29; NaN where it is none.
export function dayNamed(text, zone) {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text ?? "");
  return found ? startOf(Number(found[1]), Number(found[2]), Number(found[3]), zone) : NaN;
}

export function dayName(moment, zone) {
  const at = wallClock(milliseconds(moment), zone);
  const two = (number) => String(number).padStart(2, "0");
  return `${at.year}-${two(at.month)}-${two(at.day)}`;
}

const thisYear = (ms, zone) => wallClock(ms, zone).year === wallClock(Date.now(), zone).year;

// Thu 26 Nov, 17:43
export function when(moment, zone) {
  if (moment === null || moment === undefined) return "–";
  const ms = milliseconds(moment);
  return `${day(ms, zone)}, ${clock(ms, zone)}`;
}

// Thu 26 Nov
export function day(moment, zone) {
  const ms = milliseconds(moment);
  const year = thisYear(ms, zone) ? {} : { year: "numeric" };
  return format(zone, { weekday: "short", day: "numeric", month: "short", ...year })
    .format(ms)
    .replace(",", "");
}

// 17:43; with the name that the clock has then where hours are told apart
export function clock(moment, zone, options) {
  return format(zone, { hour: "2-digit", minute: "2-digit", ...options }).format(milliseconds(moment));
}

// Sun 29 Mar, 03:00 CEST
export function hour(moment, zone) {
  const ms = milliseconds(moment);
  return `${day(ms, zone)}, ${clock(ms, zone, { timeZoneName: "short" })}`;
}

export function seconds(moment, zone) {
  return clock(moment, zone, { second: "2-digit" });
}

// 1 day 9 h; 35 min
export function lasting(ms) {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h${hours < 6 && minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  const days = Math.floor(hours / 24);
  const rest = hours % 24;
  return `${days} ${days === 1 ? "day" : "days"}${days < 7 && rest ? ` ${rest} h` : ""}`;
}

export const ago = (moment) => `${lasting(Date.now() - milliseconds(moment))} ago`;

// A machine-readable time with what people read.
export function stamp(moment) {
  return new Date(milliseconds(moment)).toISOString().replace(".000Z", "Z");
}

// The minute that it is, for what says how long ago something was: it is shown anew where that changed.
export const minute = () => Math.floor(Date.now() / 60_000);
