// Tables: plain ones, and one that holds only the rows in sight, for ten thousand.

import { fill, h } from "./dom.js";

const heading = (column) =>
  h("th", { scope: "col", class: column.number ? `number ${column.class ?? ""}` : (column.class ?? null) }, column.name);

function cells(columns, row) {
  return columns.map((column, index) => {
    const css = column.number ? `number ${column.class ?? ""}` : (column.class ?? null);
    const held = column.cell(row);
    return index === 0 && column.head ? h("th", { scope: "row", class: css }, held) : h("td", { class: css }, held);
  });
}

// A table in a box that can be scrolled sideways, also by keys.
export function grid({ caption, columns, rows, hidden = false, empty, high = false }) {
  if (rows.length === 0 && empty) return h("p", { class: "empty" }, empty);
  return h(
    "div",
    { class: high ? "scroll high" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      null,
      h("caption", { class: hidden ? "unseen" : null }, caption),
      h("thead", null, h("tr", null, columns.map(heading))),
      h("tbody", null, rows.map((row) => h("tr", null, cells(columns, row)))),
    ),
  );
}

const ROW = 46;
const BEYOND = 8;

// A list of any length: rows of one height, of which those in sight are in the document.
// `more` is called when the end comes into sight; `shown` with the rows in sight.
export function longList({ caption, columns, more, shown }) {
  const head = h("thead", null, h("tr", null, columns.map(heading)));
  const above = h("tr", { "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  const below = h("tr", { "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  const body = h("tbody", null, above, below);
  const table = h("table", { class: "long" }, h("caption", { class: "unseen" }, caption), head, body);
  const box = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": caption }, table);
  const made = new Map();
  let rows = [];
  let key = () => "";
  let frame = 0;

  function show() {
    frame = 0;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + BEYOND);
    above.firstChild.style.height = `${first * ROW}px`;
    below.firstChild.style.height = `${(rows.length - last) * ROW}px`;
    above.hidden = first === 0;
    below.hidden = last >= rows.length;
    const wanted = rows.slice(first, last);
    const kept = new Set(wanted.map(key));
    for (const [id, row] of made) {
      if (!kept.has(id)) {
        row.node.remove();
        made.delete(id);
      }
    }
    let before = above;
    wanted.forEach((one, index) => {
      const id = key(one);
      const text = JSON.stringify(one);
      const row = made.get(id) ?? { node: h("tr", null), said: null };
      if (row.said !== text) {
        fill(row.node, cells(columns, one));
        row.said = text;
        made.set(id, row);
      }
      row.node.setAttribute("aria-rowindex", first + index + 2);
      if (before.nextSibling !== row.node) before.after(row.node);
      before = row.node;
    });
    shown?.(wanted, (id) => made.get(id)?.node);
    if (last >= rows.length - BEYOND) more?.();
  }

  const later = () => {
    frame ||= requestAnimationFrame(show);
  };
  box.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(box);

  return {
    node: box,
    set(next, keyOf, total = next.length) {
      rows = next;
      key = keyOf;
      table.setAttribute("aria-rowcount", total < 0 ? -1 : total + 1);
      box.classList.toggle("short", next.length < 9);
      show();
    },
    top() {
      box.scrollTop = 0;
    },
  };
}

// A line of a few values, for a row of a list; null is a gap.
export function sparkline(svg, values, tone = "") {
  const width = 96;
  const height = 26;
  const known = values.filter((one) => one !== null);
  const node = svg("svg", {
    class: `spark ${tone}`,
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    "aria-hidden": "true",
  });
  if (known.length === 0) return node;
  const top = Math.max(...known, 1e-9);
  const step = width / values.length;
  values.forEach((one, index) => {
    if (one === null || one <= 0) return;
    const tall = Math.max(1.5, (one / top) * (height - 2));
    node.append(
      svg("rect", { x: (index * step + 0.5).toFixed(1), y: (height - tall).toFixed(1), width: (step - 1).toFixed(1), height: tall.toFixed(1) }),
    );
  });
  return node;
}
