// Tables and links that several views share.
import { el } from "./dom.js";

export const libraryLink = (name, attributes, text = name) =>
  el("a", { href: `#/library/${encodeURIComponent(name)}`, text, ...attributes });

// heads: texts; numbers(i): whether column i holds numbers
export const table = (heads, rows, { kind, numbers = (i) => i > 0 } = {}) =>
  el(
    "div",
    { class: "table-box" },
    el(
      "table",
      { class: kind },
      heads &&
        el(
          "thead",
          null,
          el(
            "tr",
            null,
            heads.map((text, i) => el("th", { class: numbers(i) ? "n" : null, text })),
          ),
        ),
      el("tbody", null, rows),
    ),
  );
