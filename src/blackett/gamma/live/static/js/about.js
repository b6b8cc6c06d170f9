// Limits, keys, licences, and the interface for programs.
import { el } from "./dom.js";
import { get } from "./api.js";

const KEYS = [
  ["1 – 6", "the views"],
  ["L", "logarithmic, square root, linear"],
  ["+ − 0", "zoom in, out, whole range"],
  ["← →", "move along the energy"],
  ["F", "fit and labels on or off (Live)"],
  ["P", "pause the drawing (Live)"],
  ["T", "dark or light"],
];

export function mount(root, [section]) {
  const box = el("div", { class: "stack" });
  root.append(box);
  if (section === "api") return api(box);
  get("/api/about").then(
    (about) =>
      box.append(
        el(
          "div",
          null,
          el("h1", { text: "About" }),
          el("p", {
            class: "lead",
            text: `blackett ${about.version}: which radionuclides does this gamma spectrum hold? Everything on this page is computed on this machine; nothing is sent anywhere.`,
          }),
        ),
        el(
          "section",
          { class: "panel" },
          el("div", { class: "head" }, el("h2", { text: "What it is not" })),
          el(
            "ul",
            { class: "limits" },
            about.limits.map((text) => el("li", { text })),
          ),
        ),
        el(
          "div",
          { class: "two" },
          el(
            "section",
            { class: "panel" },
            el("div", { class: "head" }, el("h2", { text: "Keys" })),
            el(
              "dl",
              { class: "shortcuts" },
              KEYS.map(([key, text]) => [el("dt", null, el("kbd", { text: key })), el("dd", { text })]),
            ),
          ),
          el(
            "section",
            { class: "panel" },
            el("div", { class: "head" }, el("h2", { text: "For programs" })),
            el("p", { text: "Each view has a JSON twin under /api, described by OpenAPI." }),
            el(
              "p",
              null,
              el("a", { href: "#/about/api", text: "The interface, readable" }),
              " · ",
              el("a", { href: "/api/openapi.json", text: "openapi.json" }),
            ),
            el("h3", { text: "Licences" }),
            el(
              "ul",
              { class: "limits" },
              about.licences.map((one) =>
                el(
                  "li",
                  null,
                  `${one.name}: ${one.licence}`,
                  one.file && [" · ", el("a", { href: one.file, text: "text" })],
                ),
              ),
            ),
          ),
        ),
      ),
    (problem) => box.append(el("p", { class: "note", text: problem.message })),
  );
  return { unmount() {} };
}

function api(box) {
  get("/api/openapi.json").then((described) =>
    box.append(
      el("h1", { text: "Interface" }),
      el("p", {
        class: "lead",
        text: 'Changes (POST, DELETE) need the header X-Blackett: 1. Errors are {"error": sentence}.',
      }),
      el(
        "section",
        { class: "panel" },
        Object.entries(described.paths).flatMap(([path, verbs]) =>
          Object.entries(verbs).map(([verb, one]) =>
            el(
              "div",
              { class: "api-op" },
              el("p", null, el("span", { class: "verb", text: verb.toUpperCase() }), el("code", { text: path })),
              el("p", { text: one.description ?? one.summary }),
              one.parameters?.length &&
                el("p", {
                  class: "soft small",
                  text: `Takes ${one.parameters.map((p) => p.name + (p.required ? "" : "?")).join(", ")}`,
                }),
            ),
          ),
        ),
      ),
    ),
  );
  return { unmount() {} };
}
