// The answer to one spectrum: headline, cards with the reasons, what else was considered.
import { el, icon, svg, swatch } from "./dom.js";
import { libraryLink } from "./tables.js";
import { VERDICTS, capital, duration, figures, interval, probability } from "./words.js";

export function headline(found) {
  if (found?.verdict === "identified") return found.nuclides.map((one) => one.nuclide).join(" + ");
  return VERDICTS[found?.verdict ?? "waiting"].headline;
}

// parts: {state, kicker, headline, why, figures: [[value, unit, label]], old}
export function answerPanel(parts) {
  return el(
    "section",
    { class: "panel answer-box", "data-state": parts.state, "aria-label": "Answer" },
    el(
      "div",
      { class: `answer fade ${parts.old ? "old" : ""}` },
      el("div", { class: "mark" }, icon(parts.icon ?? VERDICTS[parts.state]?.icon ?? "waiting")),
      el(
        "div",
        { role: "status", "aria-live": "polite" },
        el("p", { class: "kicker", text: parts.kicker }),
        el("h1", { class: `headline ${parts.headline.length > 16 ? "long" : ""}`, text: parts.headline }),
        parts.why && el("p", { class: "why", text: parts.why }),
      ),
      el(
        "div",
        { class: "figures" },
        parts.figures.map(([value, unit, label, more]) =>
          el(
            "div",
            { class: "figure" },
            el("b", null, value, el("small", { text: unit })),
            el("span", { text: label }),
            more && el("span", { text: ` · ${more}` }),
          ),
        ),
      ),
    ),
  );
}

function sparkline(history) {
  const times = history.times_s,
    first = times[0],
    span = Math.max(times.at(-1) - first, 1);
  const y = (p) => 42 - 40 * p;
  const path = times
    .map(
      (t, i) => `${i ? "L" : "M"}${((300 * (t - first)) / span).toFixed(1)} ${y(history.probabilities[i]).toFixed(1)}`,
    )
    .join("");
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: "0 0 300 44",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `Probability over the last ${duration(span)}`,
    },
    svg("line", { x1: 0, x2: 300, y1: y(0.9), y2: y(0.9) }),
    svg("path", { d: path }),
  );
}

const lineItem = (line) =>
  el(
    "li",
    {
      title: `expected at ${figures(line.energy_kev, 4)} keV, seen at ${figures(line.observed_kev, 4)} keV, ${figures(line.net_counts)} net counts`,
    },
    el("span", { text: `${figures(line.energy_kev, 4)} keV` }),
    el("meter", {
      class: "sigma",
      min: 0,
      max: 12,
      value: Math.min(line.significance_sigma, 12),
      "aria-label": `${figures(line.significance_sigma, 2)} sigma`,
    }),
    el("span", { text: `${figures(line.significance_sigma, 2)} σ` }),
  );

// extra: {number, title, history, decided_s}
export function nuclideCard(found, extra = {}) {
  const activity =
    found.activity_bq === null
      ? []
      : [["Activity", `${figures(found.activity_bq)} Bq (${interval(found.activity_bq_interval_95)})`]];
  const facts = [
    ["Net rate", `${figures(found.net_cps)} cps`],
    ["95 % interval", `${interval(found.net_cps_interval_95)} cps`],
    ...activity,
    ["Significance", `${figures(found.significance_sigma)} σ`],
    ...(extra.decided_s === undefined ? [] : [["Time to decision", duration(extra.decided_s)]]),
  ];
  return el(
    "article",
    { class: "panel", "data-nuclide": found.nuclide },
    el(
      "div",
      { class: "nuclide" },
      el(
        "div",
        { class: "who" },
        el(
          "div",
          { class: "top" },
          swatch(`block s-${(extra.number ?? 0) % 6}`),
          el("h3", null, libraryLink(found.nuclide)),
          el("span", { class: "p", text: probability(found.probability) }),
        ),
        extra.confirming && el("p", null, el("span", { class: "chip", text: "being confirmed" })),
        extra.title && el("p", { class: "title", text: capital(extra.title) }),
        extra.history?.times_s.length > 1 &&
          el("div", null, el("h4", { text: "Probability so far" }), sparkline(extra.history)),
      ),
      el(
        "dl",
        null,
        facts.map(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]),
      ),
      found.lines.length > 0 &&
        el(
          "div",
          null,
          el("h4", { text: extra.confirming ? "Lines seen so far" : "Lines that prove it" }),
          el("ul", { class: "lines" }, found.lines.map(lineItem)),
        ),
    ),
  );
}

export function considered(found) {
  if (!found.candidates.length) return null;
  return el(
    "div",
    { class: "row" },
    el("span", { class: "soft small", text: "Considered, not declared:" }),
    el(
      "div",
      { class: "chips" },
      found.candidates.map((one) =>
        libraryLink(one.nuclide, { class: "chip" }, `${one.nuclide} ${probability(one.probability)}`),
      ),
    ),
  );
}

export function reasons(found) {
  if (!found) return "";
  if (found.verdict === "identified") {
    const extra = found.unknown_probability > 0.5 ? " There is more that no source of the library explains." : "";
    const lines = found.nuclides
      .flatMap((one) => one.lines.filter((line) => line.significance_sigma >= 3))
      .sort((a, b) => b.significance_sigma - a.significance_sigma)
      .slice(0, 4)
      .map((line) => figures(line.energy_kev, line.energy_kev < 1000 ? 3 : 4));
    const seen = lines.length
      ? `Seen by ${lines.length > 1 ? "its lines" : "its line"} at ${lines.join(", ").replace(/, ([^,]*)$/, " and $1")} keV.`
      : "Seen by the shape of its whole spectrum.";
    return `${found.nuclides.length > 1 ? seen.replace("its lines", "lines") : seen}${extra}`;
  }
  if (found.verdict === "unknown")
    return found.warnings.length ? `${capital(found.warnings.at(-1))}.` : "No source of the library explains it.";
  if (found.verdict === "insufficient") return `${found.counts} counts so far: a first answer needs about 30.`;
  return "Everything counted so far is explained by natural background.";
}

// Labels of lines at their place on the stored axis.
export function lineLabels(found, tints) {
  const axis = found.calibration || { gain: 1, offset_kev: 0 };
  return found.nuclides
    .flatMap((one, number) =>
      one.lines.map((line) => ({
        kev: (line.energy_kev - axis.offset_kev) / axis.gain,
        sigma: line.significance_sigma,
        text: `${one.nuclide} ${Math.round(line.energy_kev)}`,
        tint: tints[number % tints.length],
      })),
    )
    .sort((a, b) => b.sigma - a.sigma);
}
