// A rate over time with its band of one standard deviation.
import { el, colour } from "./dom.js";

const uPlot = window.uPlot;
const STEPS_S = [1, 2, 5, 10, 20, 30].flatMap((n) => [n, 60 * n]).concat([3600, 7200, 14400, 28800, 86400]);
const STEPS = STEPS_S.sort((a, b) => a - b);

export class Trend {
  constructor(label, tint) {
    this.tint = tint;
    this.box = el("div", { class: "chart", role: "img", "aria-label": label });
    this.figure = el("figure", { class: "trend" }, el("figcaption", { text: label }), this.box);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.box);
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }
  resize() {
    if (this.plot && this.box.clientWidth) this.plot.setSize({ width: this.box.clientWidth, height: 150 });
  }
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
  }

  // points: [{time_s, value, error_percent}]
  set(points) {
    const kept = points.filter((p) => p.value !== null);
    const bound = (p, sign) => Math.max(0, p.value * (1 + (sign * (p.error_percent ?? 0)) / 100));
    const data = [
      kept.map((p) => p.time_s),
      kept.map((p) => bound(p, 1)),
      kept.map((p) => bound(p, -1)),
      kept.map((p) => p.value),
    ];
    if (this.plot) this.plot.setData(data);
    else if (kept.length) this.build(data);
  }

  build(data) {
    const soft = colour("soft"),
      line = colour("line"),
      stroke = colour(this.tint);
    const font = `13px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: line, width: 1 };
    const band = `${stroke}38`;
    this.plot = new uPlot(
      {
        width: this.box.clientWidth || 300,
        height: 150,
        legend: { show: false },
        padding: [8, 32, 0, 0], // half of the last label
        cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
        scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(high * 1.15, 1e-3)] } },
        axes: [
          {
            stroke: soft,
            grid: { show: false },
            ticks: { show: false },
            font,
            size: 28,
            space: 90,
            incrs: STEPS,
            values: (u, at, axis, space, step) =>
              at.map((t) =>
                new Date(1000 * t).toLocaleTimeString("en-GB", {
                  hour: "2-digit",
                  minute: "2-digit",
                  second: step < 60 ? "2-digit" : undefined,
                }),
              ),
          },
          { stroke: soft, grid, ticks: { show: false }, font, size: 58, space: 36 },
        ],
        series: [
          {},
          { width: 0, points: { show: false } },
          { width: 0, points: { show: false } },
          { stroke, width: 2, points: { show: false } },
        ],
        bands: [{ series: [1, 2], fill: band }],
      },
      data,
      this.box,
    );
  }
}
