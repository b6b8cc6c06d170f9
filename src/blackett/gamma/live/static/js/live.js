// The live view: the answer first, then spectrum, waterfall, trends, device.
import { el, segments, show, toggle } from "./dom.js";
import { answerPanel, considered, lineLabels, nuclideCard, reasons } from "./answer.js";
import { library } from "./api.js";
import { ageOf, listen, state } from "./stream.js";
import { VERDICTS, capital, clock, duration, figures, whole } from "./words.js";
import { curvesOf } from "./curves.js";
import { edgesOf } from "./grouping.js";
import { scaleTools } from "./scales.js";
import { SpectrumChart, TINTS } from "./spectrum.js";
import { Trend } from "./trend.js";
import { Waterfall } from "./waterfall.js";

const VIEWS = [
  ["stretch", "Since the change", "What the answer is about"],
  ["window", "Latest", "The newest minute or so"],
  ["since_start", "Since the start", "Everything counted"],
];
const OLD_S = 5;

export function mount(root) {
  const parts = {
    answer: el("div"),
    notices: el("div", { class: "stack" }),
    cards: el("div", { class: "cards" }),
    near: el("div"),
    key: el("div"),
    health: el("dl", { class: "health" }),
    events: el("div"),
  };
  const view = {
    name: "stretch",
    showFit: true,
    joined: true,
    paused: false,
    titles: new Map(),
  };
  const fall = new Waterfall();
  const chart = new SpectrumChart({ label: "Spectrum of the measurement", onZoom: () => fall.draw(chart) });
  const trends = { cps: new Trend("Count rate, cps", "c0"), dose_usv_h: new Trend("Dose rate, µSv/h", "c4") };
  const tools = scaleTools(chart);
  const fitSwitch = toggle("Fit", true, (on) => {
    view.showFit = on;
    drawSpectrum();
  });
  const binSwitch = toggle("Join channels", true, (on) => {
    view.joined = on;
    drawSpectrum();
  });
  const pause = el(
    "button",
    {
      class: "button",
      type: "button",
      "aria-pressed": "false",
      title: "Key P",
      onclick: () => setPaused(!view.paused),
    },
    "Pause",
  );

  root.append(
    el(
      "div",
      { class: "stack" },
      parts.notices,
      parts.answer,
      parts.cards,
      parts.near,
      el(
        "section",
        { class: "panel", "aria-label": "Spectrum" },
        el(
          "div",
          { class: "head" },
          el("h2", { text: "Spectrum" }),
          segments("Stretch of time", VIEWS, view.name, (name) => {
            view.name = name;
            drawSpectrum();
          }),
          tools.scales,
          tools.zooms,
          pause,
        ),
        chart.box,
        el("div", { class: "row spread" }, chart.readout, el("div", { class: "row" }, fitSwitch, binSwitch)),
        parts.key,
        el(
          "figure",
          { class: "fall-box" },
          el("figcaption", { text: "Waterfall: counts per second by energy, newest on top" }),
          fall.canvas,
        ),
      ),
      el(
        "div",
        { class: "two" },
        Object.values(trends).map((trend) => el("section", { class: "panel" }, trend.figure)),
      ),
      el(
        "section",
        { class: "panel", "aria-label": "Device" },
        el(
          "div",
          { class: "head" },
          el("h2", { text: "Device" }),
          el("span", { class: "soft small", text: "Save the recording:" }),
          el(
            "div",
            { class: "row" },
            ["n42", "xml", "rcspg", "csv"].map((form) =>
              el("a", {
                class: "chip",
                href: `/api/live/export?form=${form}`,
                download: `recording.${form}`,
                text: form.toUpperCase(),
              }),
            ),
          ),
        ),
        parts.health,
        parts.events,
      ),
    ),
  );

  function setPaused(paused) {
    view.paused = paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) drawAll();
  }

  function drawAnswer() {
    const update = state.update;
    if (!update) {
      show(
        parts.answer,
        answerPanel({
          state: "waiting",
          kicker: state.live === false ? "No device in this run" : "Waiting for the device",
          headline: "Listening",
          why: "",
          figures: [],
        }),
      );
      return;
    }
    const { health, decision, identification: found } = update;
    const age = ageOf(health.spectrum_age_s);
    const old = state.link !== "open" || health.state !== "connected" || age > OLD_S;
    const fresh = (found?.nuclides ?? []).map((one) => one.nuclide).filter((name) => !decision.nuclides.includes(name));
    const perhaps = fresh.length > 0 && decision.verdict !== "identified";
    const kind = perhaps ? "waiting" : decision.verdict;
    const words = perhaps
      ? { kicker: "Being confirmed", headline: `${fresh.join(" + ")}?` }
      : (VERDICTS[kind] ?? VERDICTS.waiting);
    const since =
      decision.stretch_start_s === null ? "" : `, counting for ${duration(update.time_s - decision.stretch_start_s)}`;
    const sure = kind === "identified" ? (decision.stable ? " · stable" : " · settling") : "";
    const aged = (rate, number, unit, label) => [
      figures(rate.value, number),
      unit,
      rate.error_percent === null ? label : `${label} ± ${Math.round(rate.error_percent)} %`,
      agedText(rate.age_s),
    ];
    const view_ = update.stretch;
    show(
      parts.answer,
      answerPanel({
        state: kind,
        old,
        kicker:
          age === null
            ? "Waiting for the device"
            : old
              ? `${words.kicker} · as of ${duration(age)} ago`
              : `${words.kicker}${sure}${since}`,
        headline: kind === "identified" ? decision.nuclides.join(" + ") : words.headline,
        why: why(found, decision, fresh),
        figures: [
          aged(update.cps, 3, "cps", "count rate"),
          aged(update.dose_usv_h, 2, "µSv/h", "dose rate"),
          [whole(view_ ? view_.counts.reduce((a, b) => a + b, 0) : 0), "", "counts in the answer"],
        ],
      }),
    );
    parts.answer.firstChild.querySelectorAll(".figure")[0]?.setAttribute("data-figure", "cps");
  }

  // The test over time has the last word; what the newest fit alone says is being confirmed.
  function why(found, decision, fresh) {
    if (!found) return "A first answer comes after five seconds.";
    if (decision.verdict !== "identified" && fresh.length)
      return "The newest fit finds it; the test over time has not declared it yet.";
    const confirming = fresh.length ? ` ${fresh.join(", ")} is being confirmed.` : "";
    if (decision.verdict === found.verdict) return `${reasons(found)}${confirming}`;
    return decision.verdict === "identified"
      ? `Declared earlier in this stretch; the newest fit is weaker.${confirming}`
      : "Not sure enough to say more.";
  }

  const agedText = (age) => {
    const now = ageOf(age);
    return now !== null && now > OLD_S ? `${duration(now)} old` : null;
  };

  function drawCards() {
    const update = state.update,
      found = update?.identification;
    const histories = new Map((update?.history ?? []).map((one) => [one.nuclide, one]));
    show(
      parts.cards,
      (found?.nuclides ?? []).map((one, number) =>
        nuclideCard(one, {
          number,
          title: view.titles.get(one.nuclide)?.title,
          history: histories.get(one.nuclide),
          decided_s: update.decision.time_to_decision_s[one.nuclide],
          confirming: !update.decision.nuclides.includes(one.nuclide),
        }),
      ),
    );
    parts.cards.hidden = !found?.nuclides.length;
    show(parts.near, found ? considered(found) : null);
    parts.near.hidden = !found?.candidates.length;
  }

  function drawNotices() {
    const update = state.update,
      health = update?.health;
    const told = [];
    if (state.link === "lost")
      told.push("The connection to the service is lost. It is tried again; everything below is as it was.");
    if (health && health.state !== "connected") {
      const again = health.retry_in_s === null ? "" : ` Next attempt in ${duration(health.retry_in_s)}.`;
      const name = {
        stale: "The device has gone quiet.",
        retrying: "The link to the device broke.",
        absent:
          "No device is found: plug it in by USB, or switch its Bluetooth on, close the phone's app and start with --bluetooth. " +
          'Without one: blackett gamma live --simulate "Cs-137 appears after 30 s at 20 cm".',
      }[health.state];
      told.push(`${name}${health.last_error ? ` ${capital(health.last_error)}.` : ""}${again}`);
    }
    show(
      parts.notices,
      told.map((text) => el("p", { class: "note", role: "alert", text })),
    );
    parts.notices.hidden = !parts.notices.childNodes.length;
  }

  function drawSpectrum() {
    const update = state.update;
    const shown = update?.[view.name] ?? update?.since_start;
    if (!shown || view.paused) return;
    const edges = edgesOf(shown.coefficients_kev, shown.counts.length);
    const found = update.identification;
    const order = (found?.nuclides ?? []).map((one) => one.nuclide);
    const fit = view.name === "stretch" ? update.fit : null;
    const fitScale = fit ? shown.live_time_s / fit.live_time_s : 1; // it may be some seconds older
    const made = curvesOf({ edges, counts: shown.counts }, fit, {
      order,
      showFit: view.showFit,
      joined: view.joined,
      fitScale,
    });
    chart.set(made.curves, found && view.showFit ? lineLabels(found, TINTS()) : []);
    show(parts.key, made.key);
  }

  function drawTrends() {
    if (view.paused) return;
    const recent = state.history.slice(-900);
    for (const [name, trend] of Object.entries(trends))
      trend.set(recent.map((one) => ({ time_s: one.time_s, ...one[name] })));
  }

  function drawHealth() {
    const health = state.update?.health;
    if (!health) return;
    const item = (name, value, age, limit) => {
      const now = ageOf(age);
      return el(
        "div",
        null,
        el("dt", { text: name }),
        el(
          "dd",
          null,
          value,
          now !== null && el("small", { class: now > limit ? "aged" : "", text: `${duration(now)} ago` }),
        ),
      );
    };
    const { device } = health;
    show(
      parts.health,
      item("Device", device.model || "not known yet", null),
      item("Serial, firmware", `${device.serial || "–"}, ${device.firmware || "–"}`, null),
      item("Link", `${health.state}, ${device.transport}`, null),
      item("Spectrum", `${device.channels || "–"} channels`, health.spectrum_age_s, OLD_S),
      item(
        "Count rate of the device",
        `${figures(state.update.device_cps.value)} cps`,
        state.update.device_cps.age_s,
        OLD_S,
      ),
      item(
        "Temperature",
        health.temperature_c.value === null ? "–" : `${figures(health.temperature_c.value)} °C`,
        health.temperature_c.age_s,
        600,
      ),
      item(
        "Battery",
        health.battery_percent.value === null ? "–" : `${Math.round(health.battery_percent.value)} %`,
        health.battery_percent.age_s,
        600,
      ),
      item(
        "Background",
        {
          set: "measured, chosen by you",
          learned: "learned from a quiet time",
          modelled: ["modelled: ", el("a", { href: "#/background", text: "record one" }), " for sharper answers"],
        }[state.update.background],
        null,
      ),
    );
    const changes = [...state.update.decision.changes].reverse().slice(0, 6);
    const texts = new Set(state.update.decision.changes.map((one) => one.text));
    const notes = state.update.notes.filter((text) => !texts.has(text)).slice(-5);
    const items = [
      ...changes.map((one) => el("li", null, el("time", { text: clock(one.time_s) }), capital(one.text))),
      ...notes.map((text) => el("li", { text: capital(text) })),
    ];
    show(parts.events, items.length ? el("ul", { class: "events" }, items) : null);
  }

  function fillFall() {
    fall.clear();
    for (const one of state.history) if (one.row) fall.add(one.row);
    fall.draw(chart);
  }

  function drawAll() {
    drawNotices();
    drawAnswer();
    drawCards();
    drawSpectrum();
    drawTrends();
    drawHealth();
  }

  const forget = listen((what) => {
    if (what === "history" || what === "restart") fillFall();
    if (what === "update") {
      for (const one of state.added) if (one.row) fall.add(one.row);
      if (!view.paused) {
        drawAll();
        fall.draw(chart);
      } else {
        drawNotices();
        drawAnswer();
        drawHealth();
      }
    } else if (what === "tick") {
      if (performance.now() - state.receivedMs > 1500) {
        drawNotices();
        drawAnswer();
        drawHealth();
      } // ages go on
    } else drawAll();
  });
  library().then(
    (titles) => {
      view.titles = titles;
      drawCards();
    },
    () => {},
  );
  fillFall();
  drawAll();
  fall.draw(chart);
  const repaint = () => {
    chart.curves.length && chart.build();
    Object.values(trends).forEach((t) => t.rebuild());
    drawAll();
    fall.draw(chart);
  };
  const resized = new ResizeObserver(() => fall.draw(chart));
  resized.observe(fall.canvas);
  return {
    unmount() {
      forget();
      chart.destroy();
      resized.disconnect();
      Object.values(trends).forEach((t) => t.destroy());
    },
    repaint,
    key: (event) => tools.keys(event) ?? { f: () => fitSwitch.flip(), p: () => setPaused(!view.paused) }[event.key],
  };
}
