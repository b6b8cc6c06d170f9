// The background view: which one is in use, record a new one, and its continuum.
import { el, icon, show, toggle, colour, swatch } from "./dom.js";
import { get, post, upload } from "./api.js";
import { listen } from "./stream.js";
import { binsOf, perKev, share } from "./grouping.js";
import { capital, duration, figures, whole } from "./words.js";
import { scaleTools } from "./scales.js";
import { SpectrumChart } from "./spectrum.js";

const chosen = { csi: false, smoothing: 0, share: 0.7, file: "" };

export function mount(root) {
  const parts = { state: el("div"), told: el("div"), key: el("div"), file: el("select") };
  const chart = new SpectrumChart({ label: "Background spectrum", unit: "cps / keV", height: 340 });
  const tools = scaleTools(chart);
  let now = null,
    turn = 0;
  const slider = (label, name, low, high, step, write) => {
    const told = el("output", { text: write(chosen[name]) });
    const input = el("input", {
      type: "range",
      min: low,
      max: high,
      step,
      value: chosen[name],
      oninput: () => {
        chosen[name] = Number(input.value);
        told.textContent = write(chosen[name]);
        draw();
      },
    });
    return el("label", { class: "field" }, el("span", null, label, ": ", told), input);
  };
  const input = el("input", { type: "file", hidden: true, onchange: () => load(input.files[0]) });
  parts.file.addEventListener("change", () => {
    chosen.file = parts.file.value;
    draw();
  });
  root.append(
    el(
      "div",
      { class: "stack" },
      el(
        "div",
        null,
        el("h1", { text: "Background" }),
        el("p", {
          class: "lead",
          text: "What the detector counts with no source near it. A measured background, recorded in the same place, makes answers sharper.",
        }),
      ),
      parts.told,
      el("section", { class: "panel", "aria-label": "Background in use" }, parts.state),
      el(
        "section",
        { class: "panel", "aria-label": "Continuum" },
        el("div", { class: "head" }, el("h2", { text: "Measured and modelled" }), tools.scales, tools.zooms),
        chart.box,
        chart.readout,
        parts.key,
        el(
          "div",
          { class: "fields", "data-gap": "" },
          el("label", { class: "field" }, "Measured spectrum", parts.file),
          toggle("CsI(Tl) continuum", chosen.csi, (on) => {
            chosen.csi = on;
            draw();
          }),
          slider("Smoothing", "smoothing", 0, 30, 1, (v) => (v ? `${v} channels` : "none")),
          slider("Measured share of the blend", "share", 0, 1, 0.05, (v) => `${Math.round(100 * v)} %`),
        ),
        el("p", {
          class: "soft small",
          text: "Smoothing is divided by the part of its kernel inside the spectrum, so that the ends do not sag. The overflow channel is left out.",
        }),
      ),
      input,
    ),
  );

  const tell = (problem) =>
    show(parts.told, problem ? el("p", { class: "note", role: "alert", text: problem.message }) : null);
  const act = (action, more) =>
    post("/api/background", { action, ...more }).then((state) => {
      now = state;
      tell(null);
      drawState();
      draw();
    }, tell);

  async function load(file) {
    if (!file) return;
    try {
      const stored = await upload(file);
      await fillFiles();
      await act("use", { file: stored.id, index: 0 });
    } catch (problem) {
      tell(problem);
    }
    input.value = "";
  }

  function drawState() {
    if (!now) return;
    const use = now.in_use,
      recorded = now.recorded;
    const button = (text, name, action, main, off) =>
      el(
        "button",
        { class: `button ${main ? "main" : ""}`, type: "button", disabled: off, onclick: action },
        name && icon(name),
        text,
      );
    const buttons = now.recording
      ? [
          button("Finish and use it", null, () => act("finish"), true, !recorded),
          button("Begin anew", null, () => act("record")),
          button("Cancel", null, () => act("cancel")),
        ]
      : [
          now.can_record && button("Record now", "record", () => act("record"), true),
          button("Load a file", "upload", () => input.click(), !now.can_record),
          chosen.file &&
            button("Use the measured spectrum below", null, () =>
              act("use", { file: chosen.file.split("/")[0], index: Number(chosen.file.split("/")[1]) }),
            ),
          use && el("a", { class: "button", href: "/api/background/export", download: "background.csv", text: "Save it" }),
          use && button("Use none", "remove", () => act("drop")),
        ];
    const progress =
      now.recording &&
      el(
        "p",
        null,
        el("span", { class: "big-number", text: recorded ? duration(recorded.live_time_s) : "starting" }),
        recorded &&
          el("span", {
            class: "soft",
            text: ` recorded, ${whole(recorded.counts)} counts, ${figures(recorded.cps)} cps. Keep sources away; a quarter of an hour is good.`,
          }),
      );
    show(
      parts.state,
      el(
        "div",
        { class: "row spread" },
        el(
          "div",
          null,
          el("h2", { text: use ? `In use: ${now.label}` : "None chosen: learned or modelled" }),
          el("p", {
            class: "soft",
            text: use
              ? `${duration(use.live_time_s)}, ${whole(use.counts)} counts, ${figures(use.cps)} cps`
              : "Without a measured one the answers use a quiet stretch of the recording, or a model of rooms and ground.",
          }),
          progress,
          now.notes.map((text) => el("p", { class: "note", role: "alert", text: `${capital(text)}.` })),
        ),
        el("div", { class: "row" }, buttons),
      ),
    );
  }

  async function fillFiles() {
    const { files } = await get("/api/files");
    const ids = files.flatMap((file) =>
      file.spectra
        .filter((one) => one.calibrated)
        .map((one) => [`${file.id}/${one.index}`, file.spectra.length > 1 ? `${file.name} [${one.index}]` : file.name]),
    );
    parts.file.replaceChildren(
      el("option", { value: "", text: "the one in use" }),
      ...ids.map(([value, text]) => el("option", { value, text })),
    );
    parts.file.value = chosen.file;
    if (parts.file.value !== chosen.file) parts.file.value = chosen.file = "";
  }

  async function draw() {
    const mine = ++turn;
    const [file, index] = chosen.file.split("/");
    const query = new URLSearchParams({
      csi: chosen.csi,
      smoothing_channels: chosen.smoothing,
      measured_share: chosen.share,
      ...(file ? { file, index } : {}),
    });
    if (!chart.curves.length) chart.readout.textContent = "Computing the model …";
    const made = await get(`/api/background/continuum?${query}`).catch((problem) => {
      tell(problem);
      return null;
    });
    if (!made || mine !== turn) return;
    const edges = Float64Array.from(made.edges_kev),
      bins = binsOf(edges, made.smoothing_channels === 0);
    const curve = (values, more) => ({ bins, values: perKev(share(values, edges, bins), bins), ...more });
    const curves = [
      curve(made.modelled_cps, {
        label: "modelled",
        colour: colour("c1"),
        kind: "line",
        width: 2,
        dash: [9, 4],
        rank: "floor",
      }),
    ];
    const key = [["s-1", `Modelled: ${made.model}`]];
    if (made.measured_cps) {
      curves.unshift(curve(made.measured_cps, { label: "measured", colour: colour("data"), kind: "step", width: 1.4 }));
      curves.push(curve(made.blended_cps, { label: "blend", colour: colour("c0"), kind: "line", width: 2 }));
      key.unshift(["s-data", made.smoothing_channels ? "Measured, smoothed" : "Measured"]);
      key.push(["s-0", `Blend, ${Math.round(100 * made.measured_share)} % measured`]);
    }
    chart.set(curves);
    chart.readout.textContent = chart.hint;
    show(
      parts.key,
      el(
        "ul",
        { class: "keys" },
        key.map(([mark, text]) => el("li", null, swatch(mark), text)),
        el("li", { text: `${figures(made.total_cps)} cps in all` }),
      ),
    );
  }

  const refresh = () =>
    get("/api/background").then((state) => {
      now = state;
      drawState();
    }, tell);
  const forget = listen((what) => {
    if (what === "update" && now?.recording) refresh();
  });
  fillFiles().then(() => Promise.all([refresh(), draw()]), tell);
  return {
    unmount() {
      forget();
      chart.destroy();
    },
    repaint: () => draw(),
    key: (event) => tools.keys(event),
  };
}
