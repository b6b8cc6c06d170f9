// The spectrum chart: curves over energy with zoom, cursor, line labels; log, square root or linear.
import { el, colour, isDark } from "./dom.js";
import { capital, figures, superscript } from "./words.js";

const uPlot = window.uPlot;
const TICKS = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1];
const DASHES = [[], [9, 4], [10, 3, 2, 3], [3, 3], [12, 5], [6, 2]];

// Ticks at round energies, the roundest first, as many as have room.
function ticks(u, low, high) {
  const at = (kev) => u.valToPos(kev, "x");
  const chosen = [];
  for (const step of TICKS) {
    if (step < (high - low) / 60) continue;
    for (let kev = Math.ceil(Math.max(low, 0) / step) * step; kev <= high; kev += step) {
      const place = at(kev);
      if (chosen.every(([, other]) => Math.abs(other - place) >= 58)) chosen.push([kev, place]);
      if (chosen.length > 60) break;
    }
  }
  return chosen.map(([kev]) => kev).sort((a, b) => a - b);
}

const ROOT = { distr: 100, fwd: (v) => Math.sqrt(Math.max(v, 0)), bwd: (v) => v * v };

export class SpectrumChart {
  // options: {height, unit, onZoom, scale}
  constructor(options = {}) {
    this.options = { height: 380, unit: "counts / keV", scale: "log", ...options };
    this.scale = this.options.scale;
    this.curves = [];
    this.labels = [];
    this.range = null;
    this.whole = [0, 3000];
    this.hint = `${capital(this.options.unit)} over energy in keV. Drag or use + and − to zoom, 0 for all`;
    this.readout = el("p", { class: "readout", text: this.hint });
    this.box = el("div", { class: "chart", role: "img", "aria-label": this.options.label || "Spectrum" });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.box);
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  // curves: [{bins, values, label, colour, kind: "fill" | "line" | "step", dash}]; bins have one value more
  set(curves, labels = []) {
    const same = this.plot && this.signature === this.sign(curves);
    this.curves = curves;
    this.labels = labels;
    const first = curves[0]?.bins;
    if (first?.length > 1) this.whole = [Math.max(10, first[0]), first[first.length - 1]];
    if (same) this.draw();
    else this.build();
  }

  sign(curves) {
    return JSON.stringify([curves.map((c) => [c.label, c.colour, c.kind, c.dash]), this.scale, isDark()]);
  }

  setScale(scale) {
    this.scale = scale;
    if (this.curves.length) this.build();
  }

  // All curves on one list of energies: the edges of all bins.
  data() {
    const edges = Float64Array.from(new Set(this.curves.flatMap((c) => Array.from(c.bins)))).sort();
    const columns = this.curves.map((curve) => {
      const { bins, values } = curve;
      let i = 0;
      return Array.from(edges, (edge) => {
        if (edge < bins[0] || edge > bins[bins.length - 1]) return null;
        while (i < values.length - 1 && bins[i + 1] <= edge) i++;
        const value = edge === bins[bins.length - 1] ? values[values.length - 1] : values[i];
        return this.scale === "log" && !(value > 0) ? 1e-12 : value; // drawn far below the axis
      });
    });
    return [edges, ...columns];
  }

  highest() {
    const [low, high] = this.range || this.whole;
    let most = 0,
      least = Infinity;
    for (const { bins, values, rank } of this.curves) {
      values.forEach((v, i) => {
        if (bins[i + 1] < low || bins[i] > high) return;
        if (v > most) most = v;
        if (v > 0 && v < least && rank === "floor") least = v;
      });
    }
    return [least, most || 1];
  }

  yRange() {
    const [least, most] = this.highest();
    if (this.scale === "log") {
      const floor = Math.max(Math.min(least, most / 30) * 0.5, most * 1e-5);
      return [floor, most * (most / floor) ** (this.labels.length ? 0.32 : 0.08)];
    }
    return [0, most * (this.labels.length ? (this.scale === "sqrt" ? 1.8 : 1.38) : 1.08)];
  }

  build() {
    this.plot?.destroy();
    this.signature = this.sign(this.curves);
    const soft = colour("soft"),
      line = colour("line");
    const grid = { stroke: line, width: 1 };
    const decade = (u, at) =>
      at.map((v) => (this.scale !== "log" || Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6 ? v : null));
    const decades = { ...grid, filter: decade };
    const font = `13px ${getComputedStyle(document.body).fontFamily}`;
    const distr = { log: { distr: 3 }, sqrt: ROOT, lin: { distr: 1 } }[this.scale];
    this.plot = new uPlot(
      {
        width: this.box.clientWidth || 600,
        height: this.height(),
        legend: { show: false },
        padding: [6, 8, 0, 0],
        cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
        scales: {
          x: { time: false, ...ROOT, range: () => this.range || this.whole },
          y: { ...distr, range: () => this.yRange() },
        },
        axes: [
          {
            stroke: soft,
            grid,
            ticks: grid,
            font,
            size: 34,
            filter: (u, at) => at,
            splits: (u, i, low, high) => ticks(u, low, high),
            values: (u, at) => at.map((kev) => `${kev}`),
            label: null,
          },
          {
            stroke: soft,
            grid: decades,
            ticks: decades,
            font,
            size: 58,
            filter: decade,
            values: (u, at) => at.map((v) => (v === null ? "" : shortNumber(v))),
          },
        ],
        series: [{}, ...this.curves.map((curve) => this.series(curve))],
        hooks: {
          draw: [(u) => this.drawPoints(u), (u) => this.drawLabels(u)],
          setCursor: [(u) => this.tell(u)],
          setSelect: [(u) => this.selected(u)],
        },
      },
      this.data(),
      this.box,
    );
    this.plot.over.addEventListener("dblclick", () => this.reset());
    this.plot.over.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.options.onZoom?.(this);
  }

  series(curve) {
    const stroke = curve.colour;
    const paths = uPlot.paths.stepped({ align: 1 });
    return {
      label: curve.label,
      stroke: curve.kind === "line" || curve.kind === "step" ? stroke : undefined,
      width: curve.width ?? 1.6,
      paths,
      fill: curve.kind === "fill" ? stroke : undefined,
      dash: curve.dash,
      spanGaps: false,
      points: { show: false },
    };
  }

  height() {
    return Math.round(Math.min(this.options.height, Math.max(240, window.innerHeight * 0.5)));
  }

  draw() {
    this.plot.setData(this.data());
  }

  resize() {
    const width = this.box.clientWidth;
    if (this.plot && width && Math.abs(width - this.plot.width) > 1) {
      this.plot.setSize({ width, height: this.height() });
      this.options.onZoom?.(this);
    }
  }

  zoomTo(low, high) {
    const [first, last] = this.whole;
    const wide = Math.max(high - low, 20);
    const from = Math.min(Math.max(low, first), last - wide);
    this.range = from <= first && from + wide >= last ? null : [Math.max(from, first), Math.min(from + wide, last)];
    this.plot?.redraw(false, true);
    this.plot?.setScale("x", { min: (this.range || this.whole)[0], max: (this.range || this.whole)[1] });
    this.options.onZoom?.(this);
  }

  reset() {
    this.zoomTo(...this.whole);
  }

  zoomBy(factor, centre) {
    const [low, high] = (this.range || this.whole).map(Math.sqrt);
    const middle = centre === undefined ? (low + high) / 2 : Math.sqrt(Math.max(centre, 0));
    this.zoomTo(
      ...[middle - (middle - low) * factor, middle + (high - middle) * factor].map((r) => Math.max(r, 0) ** 2),
    );
  }

  move(part) {
    const [low, high] = this.range || this.whole;
    this.zoomTo(low + part * (high - low), high + part * (high - low));
  }

  wheel(event) {
    if (!event.ctrlKey && !this.range && event.deltaY > 0) return; // the page scrolls on
    event.preventDefault();
    const at = this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x");
    this.zoomBy(event.deltaY > 0 ? 1.25 : 0.8, at);
  }

  selected(u) {
    if (u.select.width < 8) return;
    const low = u.posToVal(u.select.left, "x"),
      high = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.zoomTo(low, high);
  }

  tell(u) {
    const { left } = u.cursor;
    if (left === undefined || left < 0) {
      this.readout.textContent = this.hint;
      return;
    }
    const kev = u.posToVal(left, "x");
    const parts = this.curves
      .map((curve) => {
        const i = curve.bins.findIndex((edge) => edge > kev) - 1;
        return i < 0 ? null : `${curve.label} ${figures(curve.values[i])}`;
      })
      .filter(Boolean);
    const b = el("b", { text: `${figures(kev, kev < 1000 ? 3 : 4)} keV` });
    this.readout.replaceChildren(b, ` · ${parts.join(" · ")} ${this.options.unit}`);
  }

  // Points with bars of one standard deviation, for curves of kind "points" (`errors` beside `values`).
  drawPoints(u) {
    const { ctx, bbox } = u;
    const ratio = window.devicePixelRatio || 1;
    const [first, last] = this.range || this.whole;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const { kind, bins, values, errors, colour: tint } of this.curves) {
      if (kind !== "points") continue;
      ctx.strokeStyle = ctx.fillStyle = tint;
      ctx.lineWidth = ratio;
      const floor = this.scale === "log" ? u.scales.y.min : 0;
      const y = (value) => u.valToPos(Math.max(value, floor), "y", true);
      for (let i = 0; i < values.length; i++) {
        if (!(values[i] > 0) || bins[i + 1] < first || bins[i] > last) continue;
        const x = u.valToPos(
          ((Math.sqrt(Math.max(bins[i], 0)) + Math.sqrt(Math.max(bins[i + 1], 0))) / 2) ** 2,
          "x",
          true,
        );
        ctx.beginPath();
        ctx.moveTo(x, y(values[i] - errors[i]));
        ctx.lineTo(x, y(values[i] + errors[i]));
        ctx.stroke();
        ctx.beginPath();
        ctx.arc(x, y(values[i]), 2.2 * ratio, 0, 7);
        ctx.fill();
      }
    }
    ctx.restore();
  }

  // Names along the top, the strongest first, in rows where they would touch.
  drawLabels(u) {
    const { ctx, bbox } = u;
    const ratio = window.devicePixelRatio || 1;
    const [low, high] = this.range || this.whole;
    ctx.save();
    ctx.font = `${13 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    const rows = [[], [], []];
    for (const { kev, text, tint } of this.labels) {
      if (kev < low || kev > high) continue;
      const x = u.valToPos(kev, "x", true);
      const width = ctx.measureText(text).width + 14 * ratio;
      const left = Math.min(Math.max(x - width / 2, bbox.left), bbox.left + bbox.width - width);
      const row = rows.findIndex((taken) => taken.every(([a, b]) => left > b || left + width < a));
      if (row < 0) continue;
      rows[row].push([left, left + width]);
      const top = bbox.top + (4 + row * 22) * ratio;
      ctx.strokeStyle = tint;
      ctx.lineWidth = 1.5 * ratio;
      ctx.setLineDash([3 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, top + 19 * ratio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = colour("surface");
      ctx.beginPath();
      ctx.roundRect(left, top, width, 19 * ratio, 6 * ratio);
      ctx.fill();
      ctx.stroke();
      ctx.fillStyle = colour("ink");
      ctx.fillText(text, left + 7 * ratio, top + 3 * ratio);
    }
    ctx.restore();
  }
}

function shortNumber(v) {
  if (v === 0) return "0";
  if (v >= 1e4 || v < 0.009) return `10${superscript(Math.round(Math.log10(v)))}`;
  return String(Number(v.toPrecision(3)));
}

export const TINTS = () => ["c0", "c1", "c2", "c3", "c4", "c5"].map(colour);
export const dashOf = (number) => DASHES[number % DASHES.length];
