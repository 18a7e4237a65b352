// Numbers with their units, as people read them.

const NONE = "–";
const formats = new Map();

function number(value, least, most) {
  const key = `${least}/${most}`;
  if (!formats.has(key)) {
    formats.set(
      key,
      new Intl.NumberFormat("en-GB", { minimumFractionDigits: least, maximumFractionDigits: most }),
    );
  }
  return formats.get(key).format(value);
}

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

export const count = (value) => (missing(value) ? NONE : number(value, 0, 0));

// A figure apart from its unit, so that either can be set by itself.
export function kwhParts(value) {
  if (missing(value)) return [NONE, ""];
  const size = Math.abs(value);
  if (size >= 100_000) return [number(value / 1000, 1, 1), "MWh"];
  const digits = size >= 10_000 ? 0 : size >= 10 || size === 0 ? 1 : 2;
  return [number(value, digits, digits), "kWh"];
}

export const kwh = (value) => kwhParts(value).join("\u00a0").trim();
// as the ledger has it, for tables
export const exactKwh = (value) => (missing(value) ? NONE : number(value, 3, 3));
export const exact = (value, digits = 6) => (missing(value) ? NONE : number(value, 0, digits));
export const percent = (share, digits = 1) =>
  missing(share) ? NONE : `${number(share * 100, digits, digits)}\u00a0%`;
export const degrees = (value) => (missing(value) ? NONE : `${number(value, 1, 1)}\u00a0°C`);
export const volts = (value) => (missing(value) ? NONE : `${number(value, 1, 1)}\u00a0V`);
export const watts = (value) => (missing(value) ? NONE : `${number(value, 1, 1)}\u00a0W`);
export const kilowatts = (value) => (missing(value) ? NONE : `${number(value, 1, 1)}\u00a0kW`);
export const soc = (value) => (missing(value) ? NONE : `${number(value, 0, 0)}\u00a0%`);

export function money(value, currency) {
  if (missing(value) || !currency) return NONE;
  try {
    return new Intl.NumberFormat("en-GB", { style: "currency", currency }).format(value);
  } catch {
    return `${number(value, 2, 2)}\u00a0${currency}`;
  }
}

export function plural(many, one, more = `${one}s`) {
  return `${count(many)} ${many === 1 ? one : more}`;
}
