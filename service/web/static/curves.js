// Curves of a job or of comparisons on a page: charts, controls, live updates, and files to take away.

import { Chart } from "./chart.js";
import { controls, readState, writeState } from "./controls.js";
import { html } from "./elements.js";
import { markdownOf } from "./markdown.js";

const REFRESH_MS = 1500;
const KEPT_MS = 150;
const WIDE = 1e4;

// Show sources in an element; `subscribe` calls back with the name and the data of each event. What it
// returns has `ready`, a promise of the first drawing, and `hear(place, name, data)` for events.
export function showCurves(host, sources, { subscribe } = {}) {
  const curves = new Curves(host, sources);
  sources.forEach((source, place) => subscribe?.((name, data) => curves.hear(place, name, data)));
  curves.ready = curves.load();
  return curves;
}

class Curves {
  constructor(host, sources) {
    this.sources = sources;
    this.state = readState();
    this.loaded = sources.map(() => []);
    const steps = Math.max(...sources.map((source) => source.steps));
    this.controls = controls({ ofJob: sources[0].ofJob, steps }, (change) => this.change(change));
    this.problem = html("p", { class: "curves-problem", role: "status" });
    this.places = sources.map(() => html("div", { class: "curves-charts" }));
    this.charts = sources.map(() => []);
    this.files = sources.map(() => files());
    const parts = this.places.flatMap((place, i) => [place, this.files[i].element]);
    host.replaceChildren(this.controls.form, this.problem, ...parts);
    this.controls.show({ ...this.state, log: this.isLog() });
  }

  // Whether losses have a log scale: as the address says, or else if only that shows all of them.
  isLog() {
    return this.state.log ?? this.loaded.flat().some(isWide);
  }

  // Take a change of the state: draw what there is, then load if that may have more.
  change(change) {
    this.state = { ...this.state, ...change };
    const { from, to } = this.state;
    if (from !== null && to !== null && from > to) {
      this.problem.textContent = `The window is empty: step ${from} comes after step ${to}.`;
      return;
    }
    writeState(this.state);
    this.draw();
    if (["metric", "band", "runs", "x", "from", "to"].some((name) => name in change)) this.soon(KEPT_MS);
  }

  // Load after a while, or at once with the newest state if one more change comes.
  soon(milliseconds) {
    if (this.timer && milliseconds >= REFRESH_MS) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), milliseconds);
  }

  async load() {
    clearTimeout(this.timer);
    this.timer = null;
    this.asked?.abort();
    const { signal } = (this.asked = new AbortController());
    const state = this.state;
    try {
      const loaded = await Promise.all(this.sources.map((source) => source.load(state, signal)));
      if (signal.aborted) return;
      this.loaded = loaded;
      this.problem.textContent = "";
      this.draw();
    } catch (error) {
      if (!signal.aborted) this.problem.textContent = `The curves could not be loaded: ${error.message}`;
    }
  }

  // React to an event of a stream.
  hear(place, name, data) {
    const source = this.sources[place];
    const drawings = source.add?.(name, data, this.state);
    if (drawings) {
      this.loaded[place] = drawings;
      this.draw();
    } else if ((source.add && drawings === undefined) || source.refreshOn.includes(name)) {
      this.soon(name === "done" ? KEPT_MS : REFRESH_MS);
    }
  }

  draw() {
    this.controls.show({ ...this.state, log: this.isLog() });
    this.loaded.forEach((drawings, place) => {
      drawings.forEach((drawing, i) => this.chart(place, i).update(drawing, this.viewOf(drawing, place, i)));
      const links = this.sources[place].links(this.state);
      this.files[place].show(links, () => markdownOf(drawings, links.SVG));
    });
  }

  chart(place, i) {
    const charts = this.charts[place];
    if (!charts[i]) {
      const host = this.places[place].appendChild(html("div", { class: "curves-chart" }));
      charts[i] = new Chart(host, { onWindow: (window) => this.zoom(place, i, window) });
    }
    return charts[i];
  }

  viewOf(drawing, place, i) {
    const { smoothing, runs, from, to } = this.state;
    const whole = from === null && to === null;
    const ends = drawing.x === "step" ? [from ?? 1, to ?? Math.max(...this.sources.map((each) => each.steps))] : null;
    const beside = this.loaded.flatMap((drawings, k) => (k === place ? [] : (drawings[i]?.groups ?? [])));
    return { log: drawing.unit === "nats" && this.isLog(), smoothing, runs, window: whole ? null : widened(ends), beside };
  }

  // Choose a window in the units of a chart; null is all steps.
  zoom(place, i, window) {
    const drawing = this.loaded[place][i];
    const chosen = window && drawing.x === "seconds" ? this.sources[place].stepsOf(window) : window;
    if (window && !chosen) return;
    const [from, to] = chosen ? [Math.max(1, Math.ceil(chosen[0])), Math.floor(chosen[1])] : [null, null];
    if (from === null || from <= to) this.change({ from, to });
  }
}

function isWide({ unit, groups }) {
  let [low, high] = [Infinity, 0];
  if (unit !== "nats") return false;
  for (const value of groups.flatMap(({ mean }) => mean)) {
    if (value > 0) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  return high / low > WIDE;
}

const widened = (ends) => (ends && ends[0] === ends[1] ? [ends[0] - 1, ends[1] + 1] : ends);

// Links to the figure and the numbers in other formats, and Markdown to paste.
function files() {
  const links = html("span", { class: "curves-links" });
  const text = html("textarea", { readonly: true, rows: 8, "aria-label": "Markdown to paste", spellcheck: "false" });
  text.addEventListener("focus", () => text.select());
  const markdown = html("details", { class: "curves-markdown" }, html("summary", {}, "Markdown to paste"), text);
  let write = () => "";
  markdown.addEventListener("toggle", () => markdown.open && (text.value = write()));
  return {
    element: html("div", { class: "curves-files" }, links, markdown),
    show(addresses, newest) {
      write = newest;
      if (markdown.open && document.activeElement !== text) text.value = write();
      const anchors = Object.entries(addresses).map(([name, href]) => html("a", { href, ...(name === "Report" ? {} : { download: "" }) }, name));
      if (anchors.some((anchor, i) => anchor.href !== links.children[i]?.href)) links.replaceChildren(...anchors);
    },
  };
}
