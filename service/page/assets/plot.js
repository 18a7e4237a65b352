// Plots with a table beside them: uPlot draws, and where it is missing there is the table alone.

import { fill, h } from "./dom.js";
import { shownAsTable, showAsTable } from "./route.js";
import { grid } from "./table.js";
import { day, hour } from "./time.js";

// each is {show, end}
const drawn = new Set();
const HEIGHT = 220;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Draw all anew where colours or widths have changed.
export function redraw() {
  for (const one of drawn) one.show();
}

export function forget() {
  // uPlot keeps those that nobody ends
  for (const one of drawn) one.end();
  drawn.clear();
  observer.disconnect();
}

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) target.resized?.();
});

// A plot of `series`, each {name, unit, color, bars, dashes, points, format, values}, over `times` in
// milliseconds; a value of null is a gap. `step` is "hour", "day" or "charge": what a time stands for.
export function plot({ id, title, note, unit, range }) {
  const place = h("div", { class: "canvas", "data-plot": id });
  const toggle = h("button", { type: "button", class: "quiet", "data-focus": `table-${id}` });
  const told = h("p", { class: "note" }, note ?? "");
  const node = h(
    "figure",
    { class: "plot", "aria-label": title },
    h("figcaption", null, h("h3", null, title), toggle),
    told,
    place,
  );
  let now = null;
  let chart = null;
  let said = "";

  const asTable = () => !globalThis.uPlot || shownAsTable(id);

  function end() {
    chart?.destroy();
    chart = null;
  }

  function show() {
    end();
    toggle.hidden = !globalThis.uPlot;
    toggle.textContent = asTable() ? "Show plot" : "Show table";
    toggle.setAttribute("aria-label", `${toggle.textContent}: ${title}`);
    if (now === null) return;
    if (now.series.every((one) => one.values.every((value) => value === null))) {
      fill(place, h("p", { class: "empty" }, now.empty ?? "Nothing was measured in this period."));
    } else if (asTable()) fill(place, table(title, now));
    else {
      fill(place);
      chart = new globalThis.uPlot(options(place, unit, range, now, () => [now.start / 1000, now.end / 1000]), data(now), place);
    }
  }

  place.resized = () => {
    if (chart && Math.abs(chart.width - place.clientWidth) > 1 && place.clientWidth > 0) {
      chart.setSize({ width: place.clientWidth, height: HEIGHT });
    }
  };
  observer.observe(place);
  toggle.addEventListener("click", () => {
    showAsTable(id, !asTable());
    show();
  });
  drawn.add({ show, end });

  return {
    node,
    set(next) {
      const text = JSON.stringify(next);
      if (text === said) return;
      const same = chart && now && next.series.length === now.series.length && next.zone === now.zone;
      said = text;
      now = next;
      told.textContent = next.note ?? note ?? "";
      // a live plot only gets other numbers, so that what one points at stays
      if (same && next.step === now.step && next.series.some((one) => one.values.some((value) => value !== null))) {
        chart.setData(data(next));
      } else show();
    },
  };
}

const data = (now) => [now.times.map((ms) => ms / 1000), ...now.series.map((one) => one.values)];

const timeOf = (now) => (now.step === "day" ? day : hour);

function table(title, now) {
  const named = timeOf(now);
  const rows = now.times
    .map((ms, index) => [named(ms, now.zone), ...now.series.map((one) => one.values[index])])
    .filter((row) => row.slice(1).some((value) => value !== null));
  const columns = [
    { name: now.step === "day" ? "Day" : now.step === "charge" ? "Charge" : "Hour", cell: (row) => row[0] },
    ...now.series.map((one, index) => ({
      name: one.unit ? `${one.name}, ${one.unit}` : one.name,
      number: true,
      cell: (row) => one.format(row[index + 1]),
    })),
  ];
  return grid({ caption: `${title}, times in ${now.zone}`, columns, rows, hidden: true });
}

// `span` tells which seconds are shown, which go on where the plot is live
function options(place, unit, range, now, span) {
  const { uPlot } = globalThis;
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false } };
  const named = timeOf(now);
  return {
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), now.zone),
    cursor: { y: false, points: { size: 7 } },
    scales: {
      x: { range: span },
      y: { range: range ?? ((_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1]) },
    },
    axes: [
      { ...axis, font: "12px system-ui, sans-serif", space: 64, values: labels(now.zone) },
      {
        ...axis,
        font: "12px system-ui, sans-serif",
        size: 58,
        values: (_, splits) => splits.map((one) => (one === null ? "" : `${trimmed(one)} ${unit}`)),
      },
    ],
    series: [
      { label: "Time", value: (_, seconds) => (seconds === null ? "–" : named(seconds * 1000, now.zone)) },
      ...now.series.map((one, index) => ({
        label: one.name,
        stroke: color(one.color),
        fill: one.bars ? color(`${one.color}-fill`) : undefined,
        width: one.bars ? 1 : 2,
        dash: one.dashes ? [5, 5] : undefined,
        points: one.points
          ? { show: true, size: 8, fill: color(one.color) }
          : { show: one.bars || one.dashes ? false : isolated, size: 5 },
        paths: one.bars ? uPlot.paths.bars({ size: [0.86 - 0.3 * index, 60] }) : one.points ? () => null : undefined,
        spanGaps: Boolean(one.dashes),
        value: (_, value) => one.format(value),
      })),
    ],
  };
}

const trimmed = (value) => Number(value.toPrecision(6)).toLocaleString("en-GB");

// A line of one point is none: those are drawn as points.
const isolated = (chart, index) => {
  const values = chart.data[index];
  return values.some(
    (value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null,
  );
};

// What is written below the plot: hours, and at midnight the day.
const labels = (zone) => {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const date = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  return (_, splits) =>
    splits.map((seconds) => {
      const at = clock.format(seconds * 1000);
      return at === "00:00" ? date.format(seconds * 1000) : at;
    });
};
