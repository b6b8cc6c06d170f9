// Counts by energy and time, drawn under a spectrum chart on the same energy axis: newest on top.
import { colour, el, isDark } from "./dom.js";

const BINS = 512;
const TOP_ROOT = Math.sqrt(3000);
const ROWS = 57; // of three pixels
const FIRST_SPAN_S = 3;
const SIGMA = 2.5; // bins: half the width of a peak, the same everywhere on this axis
const KERNEL = Array.from({ length: 13 }, (_, i) => Math.exp(-0.5 * ((i - 6) / SIGMA) ** 2));
const NORM = KERNEL.reduce((a, b) => a + b);
// from quiet to bright, even in lightness and told apart by colour-blind readers (after cividis)
const LIGHT = [
  [247, 245, 240],
  [203, 214, 226],
  [137, 170, 204],
  [62, 117, 172],
  [18, 63, 122],
  [4, 22, 58],
];
const DARK = [
  [16, 21, 27],
  [18, 48, 92],
  [62, 84, 115],
  [120, 122, 122],
  [186, 168, 98],
  [255, 232, 92],
];

function ramp(stops) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1),
      k = Math.min(Math.floor(at), stops.length - 2),
      part = at - k;
    const [r, g, b] = stops[k].map((v, j) => Math.round(v + part * (stops[k + 1][j] - v)));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return table;
}

// A row with a quarter of each neighbour: single counts do not look like lines.
const blend = (before, row, after) =>
  row.map((v, k) => Math.sqrt(0.25 * before[k] ** 2 + 0.5 * v ** 2 + 0.25 * after[k] ** 2));

export class Waterfall {
  constructor() {
    this.canvas = el("canvas", {
      class: "waterfall",
      role: "img",
      "aria-label": "Waterfall: counts by energy, newest on top",
    });
    this.rows = []; // {first, last, seconds, bins} of up to `span` seconds each, oldest first
    this.span = FIRST_SPAN_S;
  }

  clear() {
    this.rows = [];
    this.span = FIRST_SPAN_S;
  }

  add(row) {
    const last = this.rows.at(-1);
    const target =
      last && last.seconds + row.seconds <= this.span + 0.5
        ? last
        : { first: row.time_s - row.seconds, seconds: 0, bins: new Float32Array(BINS) };
    if (target !== last) this.rows.push(target);
    target.seconds += row.seconds;
    target.last = row.time_s;
    this.fill(target.bins, row);
    if (this.rows.length > ROWS && this.span < 60) this.join();
    else if (this.rows.length > ROWS) this.rows.shift();
  }

  fill(bins, { counts, coefficients_kev: [a0, a1, a2] }) {
    for (let c = 0; c < counts.length; c++) {
      if (!counts[c]) continue;
      const bin = Math.floor((Math.sqrt(Math.max(a0 + c * (a1 + c * a2), 0)) / TOP_ROOT) * BINS);
      if (bin < BINS) bins[bin] += counts[c];
    }
  }

  // Two rows become one: twice the time in the same space.
  join() {
    const joined = [];
    for (let i = 0; i + 1 < this.rows.length; i += 2) {
      const [a, b] = [this.rows[i], this.rows[i + 1]];
      joined.push({
        first: a.first,
        last: b.last,
        seconds: a.seconds + b.seconds,
        bins: a.bins.map((n, k) => n + b.bins[k]),
      });
    }
    if (this.rows.length % 2) joined.push(this.rows.at(-1));
    this.rows = joined;
    this.span *= 2;
  }

  smooth(row) {
    if (row.smooth && row.smoothSeconds === row.seconds) return row.smooth;
    const out = new Float32Array(BINS);
    for (let i = 0; i < BINS; i++) {
      if (!row.bins[i]) continue;
      for (let k = -6; k <= 6; k++) if (i + k >= 0 && i + k < BINS) out[i + k] += (row.bins[i] * KERNEL[k + 6]) / NORM;
    }
    for (let i = 0; i < BINS; i++) out[i] = Math.sqrt(out[i] / row.seconds);
    row.smooth = out;
    row.smoothSeconds = row.seconds;
    return out;
  }

  // Draw inside the plot area of `chart` (a SpectrumChart).
  draw(chart) {
    const u = chart.plot;
    if (!u) return;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio),
      height = Math.round(this.canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const ctx = this.canvas.getContext("2d");
    ctx.clearRect(0, 0, width, height);
    const left = Math.round(u.bbox.left),
      wide = Math.round(u.bbox.width);
    const image = ctx.createImageData(wide, height);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = ramp(isDark() ? DARK : LIGHT);
    const recent = this.rows.slice(-ROWS),
      single = recent.map((row) => this.smooth(row));
    const shown = single.map((row, i) => blend(single[i - 1] ?? row, row, single[i + 1] ?? row));
    const most = Math.max(0.05, ...shown.slice(-ROWS).map((row) => row.reduce((a, b) => Math.max(a, b), 0)));
    const columns = Array.from(
      { length: wide },
      (_, x) => (Math.sqrt(Math.max(u.posToVal(x / ratio, "x"), 0)) / TOP_ROOT) * BINS,
    );
    const tall = Math.max(1, Math.ceil(height / ROWS));
    for (let r = 0; r * tall < height; r++) {
      const row = shown[shown.length - 1 - r];
      for (let x = 0; x < wide; x++) {
        const at = columns[x],
          k = Math.floor(at);
        const value = row && k >= 0 && k < BINS - 1 ? row[k] + (at - k) * (row[k + 1] - row[k]) : 0;
        const pixel = colours[Math.min(255, Math.round((255 * value) / most))];
        for (let y = r * tall; y < Math.min(height, (r + 1) * tall); y++) pixels[y * wide + x] = pixel;
      }
    }
    ctx.putImageData(image, left, 0);
    this.drawTimes(ctx, left, tall, height, ratio);
  }

  // How long ago, at the left of the picture.
  drawTimes(ctx, left, tall, height, ratio) {
    ctx.fillStyle = colour("soft");
    ctx.font = `${13 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const newest = this.rows.at(-1)?.last;
    for (const y of [0.5, 0.97]) {
      const row = this.rows[this.rows.length - 1 - Math.floor((y * height) / tall)];
      if (!row) continue;
      const ago = Math.round(newest - row.first);
      ctx.fillText(
        ago < 120 ? `−${ago} s` : `−${Math.round(ago / 60)} min`,
        left - 8 * ratio,
        Math.min(y * height, height - 8 * ratio),
      );
    }
    if (newest) ctx.fillText("now", left - 8 * ratio, 8 * ratio);
  }
}
