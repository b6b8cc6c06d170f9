// The measurement as it comes in: one connection, shared by all views, that comes back by itself.
import { get } from "./api.js";

const DEAD_MS = 12000; // a heartbeat comes every 5 s
const listeners = new Set();
export const state = { update: null, receivedMs: 0, link: "connecting", history: [], live: null };
let source = null;
let heardMs = 0;

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = (what) => listeners.forEach((listener) => listener(what));

export const ageOf = (age) =>
  age === null || age === undefined ? null : age + (performance.now() - state.receivedMs) / 1000;

function expand(row) {
  if (!row) return null;
  const counts = new Array(row.channels).fill(0);
  for (let i = 0; i < row.pairs.length; i += 2) counts[row.pairs[i]] = row.pairs[i + 1];
  return { time_s: row.time_s, seconds: row.seconds, coefficients_kev: row.coefficients_kev, counts };
}

function setLink(link) {
  if (state.link === link) return;
  state.link = link;
  tell("link");
}

function take(update) {
  const newest = state.history.at(-1)?.sequence ?? 0;
  if (update.sequence < newest) {
    // the measurement was started anew
    state.history = [];
    tell("restart");
  }
  const skipped = update.skipped
    .filter((one) => one.sequence > newest)
    .map((one) => ({ ...one, row: expand(one.row) }));
  if (update.sequence > newest + skipped.length + 1) catchUp(); // something was missed
  state.update = update;
  state.receivedMs = performance.now();
  const view = update.since_start;
  const row = update.waterfall && view ? { ...update.waterfall, coefficients_kev: view.coefficients_kev } : null;
  const now = { sequence: update.sequence, time_s: update.time_s, cps: update.cps, dose_usv_h: update.dose_usv_h, row };
  if (update.sequence > (state.history.at(-1)?.sequence ?? 0)) state.history.push(...skipped, now);
  state.added = [...skipped, now];
  if (state.history.length > 3600) state.history.splice(0, 600);
  tell("update");
}

async function catchUp() {
  const found = await get("/api/live/history").catch(() => ({ updates: [] }));
  const known = new Set(state.history.map((one) => one.sequence));
  const missed = found.updates
    .filter((one) => !known.has(one.sequence))
    .map((one) => ({ ...one, row: expand(one.row) }));
  state.history = [...state.history, ...missed].sort((a, b) => a.sequence - b.sequence);
  tell("history");
}

function open() {
  source?.close();
  heardMs = performance.now();
  source = new EventSource("/api/live/events");
  source.onopen = () => {
    heardMs = performance.now();
    setLink("open");
  };
  source.addEventListener("update", (event) => {
    heardMs = performance.now();
    setLink("open");
    take(JSON.parse(event.data));
  });
  source.onerror = () => {
    setLink("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000);
  };
}

export async function start() {
  const about = await get("/api/about");
  state.live = about.live;
  if (!about.live) return about;
  await catchUp();
  open();
  setInterval(() => {
    tell("tick");
    if (performance.now() - heardMs > DEAD_MS) {
      setLink("lost");
      open();
    }
  }, 1000);
  return about;
}
