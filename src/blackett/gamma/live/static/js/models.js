// What answers: the method, and the cards of installed networks. Nothing is shown that is not there.
import { colour, el } from "./dom.js";
import { get } from "./api.js";
import { libraryLink, table } from "./tables.js";
import { figures, whole } from "./words.js";

const SNUG = { kind: "snug" };
const percent = (share) => `${figures(100 * share, share > 0.995 ? 4 : 3)} %`;

// A share with its 95 % interval: [share, low, high].
const bounded = ([share, low, high]) =>
  el(
    "td",
    { class: "n" },
    percent(share),
    el("br"),
    el("span", { class: "soft small", text: `${percent(low)} to ${percent(high)}` }),
  );

const part = (title, text, ...rest) => [
  el("h3", { text: title }),
  text && el("p", { class: "soft small", text }),
  ...rest,
];

function operatingPoints(scores) {
  const points = Object.entries(scores).filter(([name]) => name.startsWith("at_"));
  if (!points.length) return null;
  const rows = points.map(([name, one]) =>
    el(
      "tr",
      null,
      el("th", { text: name.slice(3) }),
      bounded(one.spectra_with_a_false_name),
      bounded(one.backgrounds_with_a_name),
      bounded(one.precision),
      bounded(one.recall_of_detectable),
    ),
  );
  return part(
    "Scores on spectra it never saw",
    `${whole(scores.spectra)} simulated spectra; shares with their 95 % intervals, for three limits of declaring.`,
    table(
      [
        "Limit",
        "Spectra with a false name",
        "Backgrounds with a name",
        "Names that are right",
        "Detectable sources named",
      ],
      rows,
      SNUG,
    ),
  );
}

function bySignificance(point) {
  if (!point?.detected_by_significance) return null;
  const rows = point.detected_by_significance.map((one) =>
    el(
      "tr",
      null,
      el("th", { text: one.to > 1e6 ? `from ${one.from}` : `${one.from} to ${one.to}` }),
      bounded(one.declared),
      el("td", { class: "n", text: whole(one.n) }),
    ),
  );
  return part(
    "Named, by significance of the source",
    "At the middle limit.",
    table(["Significance, σ", "Named", "Cases"], rows, SNUG),
  );
}

function bySource(point) {
  if (!point?.recall_by_source) return null;
  const sorted = Object.entries(point.recall_by_source).sort(([, a], [, b]) => a[0] - b[0]);
  const row = ([name, share]) =>
    el(
      "tr",
      null,
      el("th", null, libraryLink(name)),
      bounded(share),
    );
  return part(
    "The hardest sources",
    "Share named of those that are detectable, at the middle limit.",
    table(["Source", "Named"], sorted.slice(0, 8).map(row), SNUG),
  );
}

function reliability(scores) {
  if (scores?.ece === undefined) return part("Reliability", "The card holds none.");
  const rows = (scores.coverage ?? []).map((one) =>
    el(
      "tr",
      null,
      el("th", { text: `from ${whole(10 ** one.log10_net_from)}` }),
      bounded(one["0.68"]),
      bounded(one["0.95"]),
    ),
  );
  return part(
    "Reliability",
    `Expected calibration error ${figures(scores.ece)} over all probabilities, ${figures(scores["ece_above_0.05"])} over those above 5 %. Intervals of the rate hold the true one in:`,
    rows.length ? table(["Net counts", "of 68 % intervals", "of 95 % intervals"], rows, SNUG) : null,
  );
}

const CELL_PX = 4;
const MOST_CONFUSED = 10;

// One square a cell, stronger for a larger share of its row: blue where the answer is right, orange where not.
function confusionMap(labels, shares) {
  const side = CELL_PX * labels.length;
  const canvas = el("canvas", {
    class: "confusion-map",
    width: side,
    height: side,
    role: "img",
    "aria-label": "Map of the confusion matrix; its largest entries off the diagonal are in the table below it",
  });
  canvas.paint = () => {
    const pen = canvas.getContext("2d");
    const [right, wrong] = [colour("c0"), colour("c1")];
    pen.clearRect(0, 0, side, side);
    shares.forEach((row, i) =>
      row.forEach((share, j) => {
        if (share < 0.002) return;
        pen.globalAlpha = 0.2 + 0.8 * Math.sqrt(share);
        pen.fillStyle = i === j ? right : wrong;
        pen.fillRect(CELL_PX * j, CELL_PX * i, CELL_PX, CELL_PX);
      }),
    );
  };
  canvas.paint();
  return canvas;
}

// confusion_matrix: {labels, counts[true][said]}
function confusions(found) {
  if (!found?.labels)
    return part("Confusion matrix", "The card holds none; what each source is taken for stands in the library.");
  const { labels, counts } = found;
  const shares = counts.map((row) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((n) => n / Math.max(total, 1));
  });
  const wrong = shares
    .flatMap((row, i) => row.map((share, j) => ({ share, truth: labels[i], said: labels[j] })))
    .filter(({ truth, said }) => truth !== said && truth !== "nothing" && said !== "nothing")
    .sort((a, b) => b.share - a.share)
    .slice(0, MOST_CONFUSED)
    .map(({ share, truth, said }) =>
      el(
        "tr",
        null,
        el("th", null, libraryLink(truth)),
        el("td", null, libraryLink(said)),
        el("td", { class: "n", text: percent(share) }),
      ),
    );
  return part(
    "Confusion matrix",
    "Rows: what is there, by name; columns: what is said, in the last one nothing. Blue is right.",
    confusionMap(labels, shares),
    el("p", { class: "soft small", text: "Most often taken for another:" }),
    table(["There", "Said", "Share"], wrong, { kind: "snug", numbers: (i) => i > 1 }),
  );
}

function facts({ card, sha256, is_the_cards: right }) {
  const training = card.training ?? {};
  return [
    ["Sources", card.sources && `${card.sources.length}`],
    ["Parameters", card.parameters && whole(card.parameters)],
    [
      "Trained on",
      training.spectra_simulated &&
        `${whole(training.spectra_simulated)} simulated spectra, ${whole(training.steps)} steps, seed ${training.seed}`,
    ],
    ["Made", card.made && card.made.slice(0, 10)],
    ["SHA-256 of the file", `${sha256} (${right ? "as its card says" : "not what its card says: it is refused"})`],
  ].filter(([, value]) => value);
}

function network(found) {
  const { card, name } = found;
  if (!card)
    return el(
      "section",
      { class: "panel" },
      el("h2", { text: name }),
      el("p", { class: "note", text: "This network has no card, so nothing can be said about it." }),
    );
  const middle = card.scores?.["at_0.001"];
  return el(
    "section",
    { class: "panel", "data-network": name },
    el(
      "div",
      { class: "head" },
      el("h2", { text: (card.name ?? name) === "network" ? "The network" : `Network “${card.name ?? name}”` }),
      card.version && el("span", { class: "chip", text: `version ${card.version}` }),
    ),
    table(
      null,
      facts(found).map(([key, value]) =>
        el("tr", null, el("th", { text: key }), el("td", { class: "break", text: value })),
      ),
    ),
    card.scores && operatingPoints(card.scores),
    el("div", { class: "two" }, el("div", null, reliability(card.scores)), el("div", null, bySignificance(middle))),
    el("div", { class: "two" }, el("div", null, bySource(middle)), el("div", null, confusions(card.confusion_matrix))),
  );
}

export function mount(root) {
  const box = el("div", { class: "stack" }, el("h1", { text: "Models" }));
  root.append(box);
  get("/api/models").then(
    ({ method, networks }) => {
      box.append(
        el(
          "section",
          { class: "panel" },
          el(
            "div",
            { class: "head" },
            el("h2", { text: method.title }),
            el("span", { class: "chip", text: `${method.name} ${method.version}` }),
          ),
          el("p", { class: "lead", text: method.text }),
          el("p", { class: "soft small", text: `Instruments with templates: ${method.detectors.join(", ")}. Other methods, in Files: ${method.others.join("; ")}.` }),
        ),
      );
      box.append(
        ...(networks.length
          ? networks.map(network)
          : [
              el(
                "section",
                { class: "panel empty" },
                el("h2", { text: "No network is installed" }),
                el("p", { text: "Every answer on this page comes from the fit above." }),
              ),
            ]),
      );
    },
    (problem) => box.append(el("p", { class: "note", text: problem.message })),
  );
  return {
    unmount() {},
    repaint() {
      box.querySelectorAll(".confusion-map").forEach((map) => map.paint());
    },
  };
}
