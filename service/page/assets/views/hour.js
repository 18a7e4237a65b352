export function make() {
  const node = document.createElement("div");
  return { title: "Hour explained", node, async load() {} };
}
