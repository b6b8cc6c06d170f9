// The frame: views by the address after #, theme, keys, state of the link.
import { el, icon, isDark } from "./dom.js";
import * as about from "./about.js";
import * as background from "./background.js";
import * as files from "./files.js";
import * as library from "./library.js";
import * as live from "./live.js";
import * as models from "./models.js";
import { listen, start, state } from "./stream.js";

// all of them at once: a view opens even while the service is away
const MODULES = { live, files, background, library, models, about };
const VIEWS = [
  ["live", "Live"],
  ["files", "Files"],
  ["background", "Background"],
  ["library", "Library"],
  ["models", "Models"],
  ["about", "About"],
];
const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const link = document.getElementById("link");
const theme = document.getElementById("theme");
let view = null;

tabs.append(
  ...VIEWS.map(([name, title], i) =>
    el("a", { href: `#/${name}`, title: `Key ${i + 1}` }, icon(name), el("span", { text: title })),
  ),
);

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = VIEWS.find(([one]) => one === name)?.[0] ?? (state.live ? "live" : "files");
  view?.unmount();
  main.replaceChildren();
  main.dataset.view = known;
  const root = el("div");
  main.append(root);
  view = MODULES[known].mount(root, rest);
  document.title = `${VIEWS.find(([one]) => one === known)[1]} · blackett`;
  for (const tab of tabs.children) tab.toggleAttribute("aria-current", false);
  tabs.querySelector(`[href="#/${known}"]`).setAttribute("aria-current", "page");
  window.scrollTo(0, 0);
}

function drawLink() {
  const health = state.update?.health;
  const kind = state.live === false ? "off" : state.link === "open" ? (health?.state ?? "absent") : "retrying";
  const words = {
    connected: health?.device.model || "Connected",
    stale: "Device quiet",
    retrying: state.link === "open" ? "Reconnecting" : "Service lost",
    absent: "No device",
    off: "Files only",
  };
  if (link.dataset.state !== kind || link.textContent !== words[kind]) {
    link.dataset.state = kind;
    link.textContent = words[kind];
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("theme", name);
  } catch {
    /* private window: not kept */
  }
  theme.replaceChildren(icon(isDark() ? "sun" : "moon"));
  view?.repaint?.();
}

theme.append(icon(isDark() ? "sun" : "moon"));
theme.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
window.addEventListener("hashchange", route);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const number = Number(event.key);
  const own =
    number >= 1 && number <= VIEWS.length
      ? () => {
          location.hash = `#/${VIEWS[number - 1][0]}`;
        }
      : { t: () => setTheme(isDark() ? "light" : "dark") }[event.key];
  const action = own ?? view?.key?.(event);
  if (action) {
    event.preventDefault();
    action();
  }
});
listen(drawLink);
start().then(
  (about) => {
    if (!about.live) tabs.querySelector('[href="#/live"]').hidden = true;
    drawLink();
    route();
  },
  (problem) => main.append(el("p", { class: "note", text: problem.message })),
);
