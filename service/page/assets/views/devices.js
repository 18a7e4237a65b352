// For a key that speaks for some devices: which of them to look at.

import { h } from "../dom.js";
import { link } from "../route.js";

export function make({ who }) {
  const side = h("select", { id: "side" }, h("option", { value: "charger" }, "Charger"), h("option", { value: "vehicle" }, "Vehicle"));
  const id = h("input", { id: "device", required: true, maxlength: 128 });
  const known = who.devices?.map((pattern) => /^(?:(meter|vehicle):)?([^*]+)$/.exec(pattern)).filter(Boolean) ?? [];
  const links = known.flatMap(([, only, name]) =>
    ["charger", "vehicle"]
      .filter((one) => !only || (only === "meter") === (one === "charger"))
      .map((one) => h("li", null, h("a", { href: link(one, [name]) }, `${one === "charger" ? "Charger" : "Vehicle"} ${name}`))),
  );
  const node = h(
    "div",
    null,
    h("div", null, h("h1", null, "Your devices"), h("p", { class: "lead" }, `This key speaks for some devices only${who.devices ? `: ${who.devices.join(", ")}` : who.fleet ? `: those of the fleet ${who.fleet}` : ""}. Open one of them.`)),
    h(
      "form",
      {
        class: "filter",
        onsubmit: (event) => {
          event.preventDefault();
          location.hash = link(side.value, [id.value.trim()]);
        },
      },
      h("div", { class: "field" }, h("label", { for: "side" }, "Side"), side),
      h("div", { class: "field" }, h("label", { for: "device" }, "Id"), id),
      h("button", { type: "submit", class: "primary" }, "Open"),
    ),
    links.length > 0 ? h("ul", { class: "history" }, links) : null,
  );
  return { title: "Your devices", node, load: async () => {}, concerns: () => false };
}
