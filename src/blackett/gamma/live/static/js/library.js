// The library: every source that can be reported, its lines, its chain, what it is confused with.
import { el, show, svg } from "./dom.js";
import { get, library } from "./api.js";
import { libraryLink, table } from "./tables.js";
import { capital, figures, halfLife, probability } from "./words.js";

const MODES = { "beta-": "β⁻", "beta+": "β⁺, EC", ec: "EC", alpha: "α", it: "IT", sf: "SF" };

export function mount(root, [first]) {
  let all = [],
    current = first ? decodeURIComponent(first) : null;
  const search = el("input", {
    type: "search",
    placeholder: "Cs-137, cobalt, medical, 662 …",
    oninput: () => drawList(),
    "aria-label": "Search by name, kind or energy",
  });
  const list = el("div", { class: "library-list" }),
    detail = el("div", { class: "stack" });
  root.append(
    el(
      "div",
      { class: "side" },
      el(
        "section",
        { class: "panel" },
        el("h1", { text: "Library" }),
        el("label", { class: "field" }, "Search", search),
        list,
      ),
      detail,
    ),
  );

  const found = () => {
    const words = search.value.trim().toLowerCase();
    const energy = Number(words);
    if (words && Number.isFinite(energy) && energy > 20)
      return all.filter((one) => one.strongest_kev.some((kev) => Math.abs(kev - energy) < 0.03 * energy + 3));
    return all.filter((one) => `${one.name} ${one.title} ${one.category} ${one.rarity}`.toLowerCase().includes(words));
  };

  function drawList() {
    const rows = found();
    show(
      list,
      rows.length
        ? rows.map((one) =>
            el(
              "button",
              {
                type: "button",
                "aria-current": String(one.name === current),
                onclick: () => {
                  location.hash = `#/library/${encodeURIComponent(one.name)}`;
                },
              },
              el("b", { text: one.name }),
              el("span", {
                class: "meta",
                text: `${one.category} · ${one.observable ? one.strongest_kev.map((kev) => Math.round(kev)).join(", ") + " keV" : "no photon to see"}`,
              }),
            ),
          )
        : el("p", { class: "soft", text: "Nothing matches." }),
    );
  }

  function sticks(lines) {
    const most = Math.max(...lines.map((one) => one.photons_per_decay));
    const top = Math.max(...lines.map((one) => one.energy_kev), 300) * 1.05;
    const wide = Math.max(300, Math.min(900, detail.clientWidth - 40));
    const x = (kev) => wide * Math.sqrt(kev / top),
      y = (p) => 160 - 140 * Math.max(0, 1 + Math.log10(p / most) / 3);
    const marks = (wide > 500 ? [50, 100, 200, 400, 662, 1000, 1500, 2000, 2600] : [100, 400, 1000, 2000]).filter(
      (kev) => kev < top,
    );
    return svg(
      "svg",
      {
        class: "sticks",
        viewBox: `0 0 ${wide} 190`,
        role: "img",
        "aria-label": "Lines by energy; height by the logarithm of the intensity, three decades",
      },
      svg("line", { class: "axis", x1: 0, x2: wide, y1: 160, y2: 160 }),
      marks.map((kev) => svg("text", { x: x(kev), y: 180, "text-anchor": "middle", text: kev })),
      lines.map((one) =>
        svg("line", {
          class: one.kind === "x-ray" ? "x" : "",
          x1: x(one.energy_kev),
          x2: x(one.energy_kev),
          y1: 160,
          y2: y(one.photons_per_decay),
        }),
      ),
    );
  }

  const confusion = (one) =>
    el(
      "tr",
      null,
      el(
        "td",
        null,
        libraryLink(one.name),
        el("br"),
        el("span", { class: "soft small", text: one.rarity }),
      ),
      el("td", { text: `${probability(one.shared).replace("> 99.9 %", "100 %")} of its strong photons` }),
      el("td", {
        text: one.told_apart_kev.length
          ? `it has ${one.told_apart_kev.slice(0, 3).join(", ")} keV`
          : "nothing of its own to look for",
      }),
      el("td", {
        text: one.missing_kev.length
          ? `${one.name} also has ${one.missing_kev.slice(0, 3).join(", ")} keV`
          : "nothing more to look for",
      }),
    );

  async function drawDetail() {
    if (!current) current = "Cs-137";
    const one = await get(`/api/library/${encodeURIComponent(current)}`).catch((problem) => ({ problem }));
    if (one.problem) {
      show(detail, el("p", { class: "note", text: one.problem.message }));
      return;
    }
    const strong = one.lines.filter((line) => line.photons_per_decay > 1e-3 * (one.lines[0]?.photons_per_decay ?? 1));
    show(
      detail,
      el(
        "section",
        { class: "panel" },
        el(
          "div",
          { class: "head" },
          el("h2", { class: "big-number", text: one.name }),
          el("span", { class: "chip", text: one.category }),
          el("span", { class: "chip", text: one.rarity }),
        ),
        el("p", {
          class: "lead",
          text: `${capital(one.title)}. Half-life ${halfLife(one.half_life_s)}.${one.observable ? "" : " It gives too few photons for a detector to see."}`,
        }),
      ),
      one.lines.length > 0 &&
        el(
          "section",
          { class: "panel" },
          el(
            "div",
            { class: "head" },
            el("h2", { text: "Lines" }),
            el("span", { class: "soft small", text: "per decay of the namesake, progeny included; dashed: X-rays" }),
          ),
          sticks(strong),
          table(
            ["Energy, keV", "Photons per 100 decays", "Kind", "Born in"],
            one.lines
              .slice(0, 14)
              .map((line) =>
                el(
                  "tr",
                  null,
                  el("td", { class: "n", text: line.energy_kev.toFixed(2) }),
                  el("td", { class: "n", text: figures(100 * line.photons_per_decay) }),
                  el("td", { text: line.kind }),
                  el("td", { text: line.emitter }),
                ),
              ),
            { kind: "snug", numbers: (i) => i < 2 },
          ),
        ),
      el(
        "section",
        { class: "panel" },
        el("div", { class: "head" }, el("h2", { text: one.chain.length > 1 ? "Chain" : "Decay" })),
        el(
          "ol",
          { class: "chain" },
          one.chain.map((member) =>
            el(
              "li",
              null,
              el(
                "span",
                { class: "box" },
                el("b", { text: member.name }),
                el("small", { text: `half-life ${halfLife(member.half_life_s)}` }),
                el("small", {
                  text: `activity ${Math.abs(member.activity_ratio - 1) < 5e-4 ? "as the namesake" : `× ${figures(member.activity_ratio)}`}`,
                }),
                member.decays
                  .filter((d) => d.branching > 1e-4 && d.daughter)
                  .map((d) =>
                    el("small", {
                      class: "to",
                      text: `${MODES[d.mode] ?? d.mode} → ${d.daughter}${d.branching > 0.9995 ? "" : ` ${figures(100 * d.branching)} %`}`,
                    }),
                  ),
              ),
            ),
          ),
        ),
      ),
      el(
        "section",
        { class: "panel" },
        el(
          "div",
          { class: "head" },
          el("h2", { text: "Taken for each other" }),
          el("span", { class: "soft small", text: `on a ${one.detector}, ${one.fwhm_662_percent} % at 662 keV` }),
        ),
        one.confusions.length
          ? table(
              ["Other", "Overlap", "For this one speaks", "Against it"],
              one.confusions.slice(0, 10).map(confusion),
              { numbers: () => false },
            )
          : el("p", { class: "soft", text: "No other source has a strong line near its strongest." }),
      ),
    );
  }

  library().then((known) => {
    all = [...known.values()];
    drawList();
    list.scrollTop = (list.querySelector('[aria-current="true"]')?.offsetTop ?? 0) - list.offsetTop - 120;
  });
  drawDetail();
  return { unmount() {} };
}
