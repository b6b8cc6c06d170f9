// The files view: drop a spectrum, see what it holds, compare, choose its background, keep a report.
import { el, icon, show, colour } from "./dom.js";
import { answerPanel, considered, headline, lineLabels, nuclideCard, reasons } from "./answer.js";
import { MOST_BYTES, get, library, remove, upload } from "./api.js";
import { VERDICTS, bytes, duration, figures, whole } from "./words.js";
import { binsOf, perKev, share } from "./grouping.js";
import { curvesOf } from "./curves.js";
import { scaleTools } from "./scales.js";
import { SpectrumChart, TINTS } from "./spectrum.js";

const chosen = { key: null, index: 0, compare: "", background: "", distance: "", method: "" }; // kept while the page is open
const spectra = new Map();
const METHODS = { "": "usual", unmix: "fit", hybrid: "fit with network", net: "network alone" };

const fetchSpectrum = async (key, index) => {
  const id = `${key}/${index}`;
  if (!spectra.has(id)) spectra.set(id, await get(`/api/files/${key}/spectra/${index}`));
  return spectra.get(id);
};

export function mount(root) {
  const parts = {
    list: el("ul", { class: "file-list" }),
    told: el("div", { class: "stack" }),
    right: el("div", { class: "stack" }),
  };
  const input = el("input", { type: "file", multiple: true, hidden: true, onchange: () => take(input.files) });
  const drop = el(
    "div",
    { class: "drop", "data-drop": "" },
    icon("upload", "big"),
    el("p", null, el("b", { text: "Drop spectrum files here" })),
    el("p", {
      class: "small",
      text: `RadiaCode XML and rcspg, N42, SPE, CSV, NPESv2 JSON and more, up to ${bytes(MOST_BYTES)} each. They stay on this machine.`,
    }),
    el("button", { class: "button main", type: "button", onclick: () => input.click() }, "Choose files"),
    input,
  );
  let files = [],
    chart = null,
    tools = null,
    wanted = 0,
    titles = new Map();
  for (const kind of ["dragover", "dragenter"])
    root.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  root.addEventListener("dragleave", (event) => {
    if (!root.contains(event.relatedTarget)) drop.classList.remove("over");
  });
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
  root.append(el("div", { class: "side" }, el("div", { class: "stack" }, drop, parts.told, parts.list), parts.right));

  const tell = (text, plain) =>
    parts.told.append(el("p", { class: `note ${plain ? "plain" : ""}`, role: "alert", text }));

  // A file without a time is read once its time is given: no rate is ever guessed.
  function askTime(file) {
    const field = el("input", { type: "number", min: 0.001, step: "any", required: true, inputmode: "decimal" });
    const form = el(
      "form",
      {
        class: "note plain stack",
        onsubmit: (event) => {
          event.preventDefault();
          form.remove();
          take([file], field.value);
        },
      },
      el("label", { class: "field" }, `${file.name} states no live time. Seconds it was measured:`, field),
      el("div", null, el("button", { class: "button" }, "Read it")),
    );
    parts.told.append(form);
    field.focus();
  }

  async function take(list, liveTime) {
    show(parts.told, null);
    for (const file of [...list]) {
      try {
        const stored = await upload(file, liveTime);
        Object.assign(chosen, { key: stored.id, index: 0 });
      } catch (problem) {
        if (!liveTime && problem.message.includes("no live time")) askTime(file);
        else tell(problem.message);
      }
    }
    input.value = "";
    await refresh();
  }

  async function refresh() {
    try {
      files = (await get("/api/files")).files;
    } catch (problem) {
      tell(problem.message);
      return;
    }
    if (!files.some((one) => one.id === chosen.key)) Object.assign(chosen, { key: files.at(-1)?.id ?? null, index: 0 });
    drawList();
    await drawFile();
  }

  function drawList() {
    show(
      parts.list,
      files.map((file) =>
        el(
          "li",
          { class: "file", "aria-current": String(file.id === chosen.key) },
          el(
            "button",
            {
              class: "pick",
              type: "button",
              onclick: () => {
                Object.assign(chosen, { key: file.id, index: 0 });
                drawList();
                drawFile();
              },
            },
            el("span", { class: "name", text: file.name }),
            el("span", {
              class: "meta",
              text: `${file.spectra[0].device || "unknown device"} · ${duration(file.spectra[0].live_time_s)} · ${whole(file.spectra[0].total_counts)} counts${file.spectra.length > 1 ? ` · ${file.spectra.length} spectra` : ""}`,
            }),
          ),
          el(
            "button",
            {
              class: "icon-button",
              type: "button",
              "aria-label": `Remove ${file.name}`,
              onclick: () => forget(file.id),
            },
            icon("remove"),
          ),
        ),
      ),
    );
  }

  async function forget(key) {
    await remove(`/api/files/${key}`).catch((problem) => tell(problem.message));
    await refresh();
  }

  const options = (first, skip) => [
    el("option", { value: "", text: first }),
    ...files
      .flatMap((file) => file.spectra.map((one) => ({ file, one })))
      .filter(({ file, one }) => one.calibrated && !(skip && file.id === chosen.key && one.index === chosen.index))
      .map(({ file, one }) =>
        el("option", {
          value: `${file.id}/${one.index}`,
          text: file.spectra.length > 1 ? `${file.name} [${one.index}]` : file.name,
        }),
      ),
  ];

  function select(label, name, first) {
    const box = el(
      "select",
      {
        onchange: () => {
          chosen[name] = box.value;
          drawFile();
        },
      },
      options(first, true),
    );
    box.value = chosen[name];
    if (box.value !== chosen[name]) box.value = chosen[name] = "";
    return el("label", { class: "field" }, label, box);
  }

  async function drawFile() {
    const turn = ++wanted;
    chart?.destroy();
    chart = tools = null;
    const file = files.find((one) => one.id === chosen.key);
    if (!file) {
      show(
        parts.right,
        el(
          "section",
          { class: "panel empty" },
          el("h2", { text: "No file yet" }),
          el("p", {
            text: "Drop a spectrum and it is identified at once. Files are kept in memory until the service ends.",
          }),
        ),
      );
      return;
    }
    const spectrum = await fetchSpectrum(file.id, chosen.index);
    if (turn !== wanted) return;
    const summary = file.spectra[chosen.index];
    const answer = el(
      "div",
      null,
      answerPanel({ state: "waiting", kicker: file.name, headline: "Fitting", why: "", figures: [] }),
    );
    const cards = el("div", { class: "cards" }),
      near = el("div"),
      key = el("div");
    const query = () => {
      const [background, index] = chosen.background.split("/");
      const given = new URLSearchParams(background ? { background, background_index: index } : {});
      if (Number(chosen.distance) > 0) given.set("distance_mm", chosen.distance);
      if (chosen.method) given.set("method", chosen.method);
      return given;
    };
    const place = `/api/files/${file.id}/spectra/${chosen.index}`;
    const report = el(
      "a",
      { class: "button", href: `${place}/report?${query()}`, download: `${file.name}.report.html` },
      icon("download"),
      "Report",
    );
    const distance = el("input", {
      type: "number",
      min: 1,
      max: 100000,
      inputmode: "decimal",
      placeholder: "not given",
      value: chosen.distance,
      onchange: () => {
        chosen.distance = distance.value;
        drawFile();
      },
    });
    const method = el(
      "select",
      {
        onchange: () => {
          chosen.method = method.value;
          drawFile();
        },
      },
      Object.entries(METHODS).map(([value, text]) => el("option", { value, text })),
    );
    method.value = chosen.method;
    const which = file.spectra.length > 1 ? el("label", { class: "field" }, "Spectrum", numbered(file)) : null;
    chart = new SpectrumChart({ label: `Spectrum of ${file.name}` });
    tools = scaleTools(chart);
    show(
      parts.right,
      answer,
      cards,
      near,
      el(
        "section",
        { class: "panel", "aria-label": "Spectrum" },
        el("div", { class: "head" }, el("h2", { text: "Spectrum" }), tools.scales, tools.zooms, report),
        chart.box,
        chart.readout,
        key,
      ),
      el(
        "section",
        { class: "panel", "aria-label": "Choices" },
        el(
          "div",
          { class: "fields" },
          which,
          select("Background", "background", summary.has_background ? "the one in the file" : "none: modelled"),
          select("Compare with", "compare", "nothing"),
          el("label", { class: "field" }, "Distance to the crystal, mm", distance),
          el("label", { class: "field" }, "Method", method),
        ),
      ),
      summary.warnings.map((text) => el("p", { class: "note plain", text })),
    );
    cards.hidden = near.hidden = true;
    if (!spectrum.edges_kev) {
      show(
        answer,
        answerPanel({
          state: "unknown",
          kicker: file.name,
          headline: "No energy axis",
          why: "The file gives no energy calibration, so nothing can be identified. On the command line, --calibration-kev gives one.",
          figures: [],
        }),
      );
      return;
    }
    draw(key, spectrum, null, null, await compared());
    const made = await get(`${place}/identification?${query()}`).catch((problem) => ({ problem }));
    if (turn !== wanted) return;
    if (made.problem) {
      show(
        answer,
        answerPanel({
          state: "unknown",
          kicker: file.name,
          headline: "Not identified",
          why: made.problem.message,
          figures: [],
        }),
      );
      return;
    }
    const found = made.identification;
    const words = VERDICTS[found.verdict];
    show(
      answer,
      answerPanel({
        state: found.verdict,
        kicker: `${words.kicker} in ${file.name}`,
        headline: headline(found),
        why: reasons(found),
        figures: [
          [figures(summary.cps), "cps", "count rate"],
          [duration(summary.live_time_s), "", "live time"],
          [found.calibration ? figures(found.calibration.fwhm_662_percent, 2) : "–", "%", "FWHM at 662 keV"],
        ],
      }),
    );
    show(
      cards,
      found.nuclides.map((one, number) => nuclideCard(one, { number, title: titles.get(one.nuclide)?.title })),
    );
    show(near, considered(found));
    cards.hidden = !found.nuclides.length;
    near.hidden = !found.candidates.length;
    draw(key, spectrum, made.fit, found, await compared());
  }

  function numbered(file) {
    const box = el(
      "select",
      {
        onchange: () => {
          chosen.index = Number(box.value);
          drawFile();
        },
      },
      file.spectra.map((one) =>
        el("option", { value: one.index, text: `${one.index}: ${one.name || duration(one.live_time_s)}` }),
      ),
    );
    box.value = chosen.index;
    return box;
  }

  const compared = async () => (chosen.compare ? fetchSpectrum(...chosen.compare.split("/")).catch(() => null) : null);

  function draw(key, spectrum, fit, found, other) {
    if (!chart) return;
    const edges = Float64Array.from(spectrum.edges_kev);
    const made = curvesOf({ edges, counts: spectrum.counts }, fit, {
      order: (found?.nuclides ?? []).map((one) => one.nuclide),
    });
    if (other?.edges_kev) {
      const theirs = Float64Array.from(other.edges_kev),
        bins = binsOf(theirs);
      made.curves.push({
        bins,
        values: perKev(share(other.counts, theirs, bins), bins, spectrum.live_time_s / other.live_time_s),
        label: "compared",
        colour: colour("c3"),
        kind: "step",
        width: 1.6,
      });
      made.key.append(el("li", null, el("span", { class: "swatch s-3" }), "Compared, scaled by live time"));
    }
    chart.set(made.curves, found ? lineLabels(found, TINTS()) : []);
    show(key, made.key);
  }

  library().then(
    (known) => {
      titles = known;
    },
    () => {},
  );
  refresh();
  return {
    unmount() {
      chart?.destroy();
    },
    repaint: () => drawFile(),
    key: (event) => tools?.keys(event),
  };
}
