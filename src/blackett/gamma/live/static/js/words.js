// Numbers and states as people read them.
export const superscript = (n) => String(n).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));

export function figures(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [digitsOf, power] = value.toExponential(digits - 1).split("e");
    return `${digitsOf} × 10${superscript(Number(power))}`;
  }
  const places = size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(places, 6));
}

export const whole = (value) => Math.round(value).toLocaleString("en-GB").replace(/,/g, " ");

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(s < 1 ? 1 : 0)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${(s / 86400).toFixed(1)} days`;
}

export function halfLife(seconds) {
  if (!Number.isFinite(seconds)) return "stable";
  const units = [
    ["y", 31557600],
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
    ["ms", 1e-3],
    ["µs", 1e-6],
    ["ns", 1e-9],
  ];
  const [unit, size] = units.find(([, one]) => seconds >= one) || units.at(-1);
  const value = seconds / size;
  const prefixes = [
    [1e9, "billion "],
    [1e6, "million "],
  ];
  const [by, word] = (unit === "y" && prefixes.find(([one]) => value >= one)) || [1, ""];
  return value / by >= 1e4 ? `${whole(value / by)} ${word}${unit}` : `${figures(value / by)} ${word}${unit}`;
}

export function probability(p) {
  if (p > 0.999) return "> 99.9 %";
  if (p < 0.001) return "< 0.1 %";
  return `${(100 * p).toFixed(p > 0.1 && p < 0.99 ? 0 : 1)} %`;
}

export const clock = (unix) => new Date(1000 * unix).toLocaleTimeString("en-GB");
export const interval = ([low, high]) => `${figures(low)} to ${figures(high)}`;
export const bytes = (n) =>
  n < 2048 ? `${n} B` : n < 2 ** 21 ? `${Math.round(n / 1024)} kB` : `${Number((n / 2 ** 20).toFixed(1))} MB`;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const VERDICTS = {
  waiting: { icon: "waiting", kicker: "Starting", headline: "Listening" },
  insufficient: { icon: "waiting", kicker: "Too few counts yet", headline: "Listening" },
  background: { icon: "quiet", kicker: "No source found", headline: "Nothing above background" },
  identified: { icon: "identified", kicker: "Identified", headline: "" },
  unknown: { icon: "unknown", kicker: "Something is there", headline: "Unknown source" },
};
