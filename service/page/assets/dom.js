// Elements made without HTML in strings: what came from a device is only ever text.

const SVG = "http://www.w3.org/2000/svg";

// An element; a property that starts with "on" is a listener, false and null leave an attribute out.
export function h(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") made[key] = value;
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export function svg(name, properties, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// What tells a control from others, so that the one that replaces it is found again.
const nameOf = (node) => node.id || node.dataset.focus || node.getAttribute("href") || "";

// Put other children into a place, and the focus where it was.
export function fill(place, ...children) {
  const focused = place.contains(document.activeElement) ? nameOf(document.activeElement) : "";
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (focused) {
    const again = [...place.querySelectorAll("a, button, input, select, summary")].find(
      (node) => nameOf(node) === focused,
    );
    again?.focus({ preventScroll: true });
  }
}

// Fill a place where what it shows has changed, so that nothing flickers or is read out twice.
export function fillChanged(place, shown, make) {
  const said = JSON.stringify(shown);
  if (place.said === said) return;
  fill(place, make());
  place.said = said;
}

let announcer = null;

// The place whose text screen readers read out when it changes.
export function announceIn(place) {
  announcer = place;
}

export function announce(text) {
  if (announcer) announcer.textContent = text;
}
