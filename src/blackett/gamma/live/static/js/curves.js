// Which curves a spectrum chart shows: data, fit and its parts, with their key.
import { colour, el, swatch } from "./dom.js";
import { TINTS, dashOf } from "./spectrum.js";
import { binsOf, perKev, share } from "./grouping.js";

// data: {edges, counts}; fit: as the service gives it, or null; order: names of nuclides as their cards
export function curvesOf(data, fit, options = {}) {
  const tints = TINTS(),
    factor = options.factor ?? 1;
  const curves = [],
    key = [];
  const add = (curve, mark, text) => {
    curves.push(curve);
    key.push([mark, text]);
  };
  const bins =
    fit && options.joined !== false ? Float64Array.from(fit.edges_kev) : binsOf(data.edges, options.joined !== false);
  const scaled = (values) => perKev(values, fit.edges_kev, factor * (options.fitScale ?? 1));
  if (fit && options.showFit !== false) {
    add(
      {
        bins: fit.edges_kev,
        values: scaled(fit.background),
        label: "background",
        colour: colour("room"),
        kind: "fill",
      },
      "block s-room",
      "Background",
    );
    fit.components.forEach((part) => {
      const number = Math.max(0, (options.order ?? []).indexOf(part.nuclide));
      add(
        {
          bins: fit.edges_kev,
          values: scaled(part.counts),
          label: part.nuclide,
          colour: tints[number % 6],
          kind: "line",
          width: 2.2,
          dash: dashOf(number),
        },
        `s-${number % 6}`,
        part.nuclide,
      );
    });
  }
  const sums = share(data.counts, data.edges, bins),
    withFit = fit && options.showFit !== false;
  if (withFit)
    add(
      {
        bins: fit.edges_kev,
        values: scaled(fit.expected),
        label: "fit",
        colour: colour("fit"),
        kind: "line",
        width: 1.6,
      },
      "s-fit",
      "Fit",
    );
  add(
    {
      bins,
      values: perKev(sums, bins, factor),
      errors: perKev(sums.map(Math.sqrt), bins, factor),
      label: "counts",
      colour: colour(withFit ? "data" : "c0"),
      kind: withFit ? "points" : "step",
      rank: "floor",
    },
    withFit ? "dot" : "s-0",
    options.title ?? "Counts",
  );
  return {
    curves,
    key: el(
      "ul",
      { class: "keys" },
      key.map(([mark, text]) => el("li", null, swatch(mark), text)),
    ),
  };
}
