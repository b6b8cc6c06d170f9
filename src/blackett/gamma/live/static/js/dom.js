// Elements from plain values. Text is always text: nothing from a file becomes markup.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "text") node.textContent = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const icon = (name, cls) =>
  svg("svg", { "aria-hidden": "true", class: cls }, svg("use", { href: `/static/icons/icons.svg#${name}` }));
export const swatch = (kind) => el("span", { class: `swatch ${kind}`, "aria-hidden": "true" });

// Replace what a node holds, unless it would look the same.
export function show(node, ...children) {
  const next = el("div", null, ...children);
  if (node.innerHTML !== next.innerHTML || next.querySelector("[data-live]")) node.replaceChildren(...next.childNodes);
  return node;
}

export function segments(label, options, chosen, choose) {
  const buttons = options.map(([value, text, title]) =>
    el("button", {
      type: "button",
      title,
      "data-value": value,
      "aria-pressed": String(value === chosen),
      text,
      onclick: () => set(value),
    }),
  );
  const box = el("div", { class: "segments", role: "group", "aria-label": label }, buttons);
  const set = (value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === value));
    choose(value);
  };
  box.set = set;
  return box;
}

export function toggle(text, checked, change) {
  const input = el("input", { type: "checkbox", role: "switch", onchange: () => change(input.checked) });
  input.checked = checked;
  const box = el("label", { class: "switch" }, input, text);
  box.flip = () => {
    input.checked = !input.checked;
    change(input.checked);
  };
  return box;
}

const colours = new Map(); // asking the style costs a layout: once for each theme and name
export function colour(name) {
  const key = `${document.documentElement.dataset.theme} ${name}`;
  if (!colours.has(key))
    colours.set(key, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colours.get(key);
}
export const isDark = () => document.documentElement.dataset.theme === "dark";
