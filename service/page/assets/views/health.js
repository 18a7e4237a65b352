export function make() {
  const node = document.createElement("div");
  return { title: "Data health", node, async load() {} };
}
