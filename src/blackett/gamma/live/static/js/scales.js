// The tools over a spectrum chart, the same in every view, with their keys.
import { el, segments } from "./dom.js";

const SCALES = [
  ["log", "Log", "Logarithmic (key L)"],
  ["sqrt", "√", "Square root (key L)"],
  ["lin", "Lin", "Linear (key L)"],
];

export function scaleTools(chart) {
  const scales = segments("Vertical scale", SCALES, chart.scale, (scale) => chart.setScale(scale));
  const zoom = (text, label, action) =>
    el("button", { type: "button", "aria-label": label, title: label, text, onclick: action });
  const zooms = el(
    "div",
    { class: "segments", role: "group", "aria-label": "Zoom" },
    zoom("−", "Zoom out (key −)", () => chart.zoomBy(1.4)),
    zoom("+", "Zoom in (key +)", () => chart.zoomBy(0.7)),
    zoom("All", "Whole range (key 0)", () => chart.reset()),
  );
  const keys = (event) =>
    ({
      "+": () => chart.zoomBy(0.7),
      "=": () => chart.zoomBy(0.7),
      "-": () => chart.zoomBy(1.4),
      0: () => chart.reset(),
      ArrowLeft: () => chart.range && chart.move(-0.15),
      ArrowRight: () => chart.range && chart.move(0.15),
      l: () => scales.set({ log: "sqrt", sqrt: "lin", lin: "log" }[chart.scale]),
    })[event.key];
  return { scales, zooms, keys };
}
