// A chart of lines with bands, as SVG: it draws the groups of the API and keeps its cursor while they grow.
//
// A drawing is {title, unit: "fraction" | "nats", x: "step" | "seconds", extent, groups}. A group is
// {key, label, look, n, x, mean, lo, hi, runs: [{seed, y}], diverged: [{seed, x}]}; null is no value.

import { attachCursor } from "./cursor.js";
import { html, svg } from "./elements.js";
import { drawAxes, drawCursor, drawDiverged, drawLabels, drawSeries } from "./layers.js";
import { frameOf, legendEntry, setAll, tipRow } from "./layers.js";
import { inWords, notesOf, placeOf, placesOf, toSeries, valueAt } from "./series.js";
import { dataTable } from "./table.js";

const MOST_IN_TIP = 14;
const MOST_WITH_BAND = 6;
const KEYS =
  "Left and Right move the cursor, Home and End go to the ends. " +
  "With Shift they select; Enter zooms in, Escape zooms out.";
const APART = "This chart has its own scale: on a common one, one of the two could not be read.";
let charts = 0;

export class Chart {
  // Draw into an element; `onWindow` gets the two ends of a chosen window, or null for all.
  constructor(host, { onWindow = () => {} } = {}) {
    this.id = `chart-${++charts}`;
    this.onWindow = onWindow;
    this.at = null;
    this.view = {};
    this.build(host);
    attachCursor(this);
    new ResizeObserver(() => this.plot.clientWidth !== this.frame?.width && this.draw()).observe(this.plot);
  }

  build(host) {
    this.heading = html("figcaption", { class: "chart-title", id: `${this.id}-title` });
    this.canvas = svg("svg", {
      ...{ class: "chart-canvas", role: "application", tabindex: 0, "aria-roledescription": "chart" },
      ...{ "aria-labelledby": `${this.id}-title`, "aria-describedby": `${this.id}-keys` },
    });
    this.layers = {};
    for (const name of ["axes", "bands", "runs", "lines", "marks", "labels", "selection", "cursor"]) {
      this.layers[name] = svg("g", { class: `chart-${name}` });
    }
    this.clip = svg("rect");
    const clipping = svg("clipPath", { id: `${this.id}-clip` }, this.clip);
    for (const name of ["bands", "runs", "lines", "marks"]) this.layers[name].setAttribute("clip-path", `url(#${this.id}-clip)`);
    this.canvas.append(svg("defs", {}, clipping), ...Object.values(this.layers));
    this.tip = html("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
    this.plot = html("div", { class: "chart-plot" }, this.canvas, this.tip);
    this.legend = html("ul", { class: "chart-legend", hidden: true });
    this.keys = html("p", { class: "chart-keys", id: `${this.id}-keys` }, KEYS);
    this.notes = html("p", { class: "chart-notes" });
    this.voice = html("p", { class: "chart-voice", role: "status", "aria-live": "polite" });
    this.table = dataTable();
    const parts = [this.heading, this.plot, this.legend, this.keys, this.notes, this.voice, this.table.element];
    this.element = html("figure", { class: "chart" }, ...parts);
    host.replaceChildren(this.element);
  }

  // Draw new data or another view {log, smoothing, runs, window}; the cursor stays where it was.
  update(drawing, view = this.view) {
    this.drawing = drawing;
    this.view = view;
    this.heading.textContent = drawing.title;
    this.series = toSeries(drawing.groups, view.smoothing ?? 0);
    this.draw();
    const apart = this.frame?.apart ? [APART] : [];
    this.notes.textContent = [...notesOf(this.series, view), ...apart, ...(drawing.notes ?? [])].join(" ");
    this.table.show(drawing, this.series, () => this.places());
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!width || !this.drawing) return;
    this.known = null;
    this.frame = frameOf(width, this);
    this.canvas.setAttribute("viewBox", `0 0 ${width} ${this.frame.height}`);
    this.canvas.setAttribute("height", this.frame.height);
    for (const layer of Object.values(this.layers)) layer.replaceChildren();
    this.element.classList.toggle("is-narrow", this.frame.narrow);
    this.legend.hidden = this.frame.hasLabels || this.series.length < 2;
    this.legend.replaceChildren(...this.series.map(legendEntry));
    if (!this.frame.x) return this.drawEmpty();
    const { left, right, top, bottom } = this.frame;
    setAll(this.clip, { x: left, y: top - 8, width: right - left + 8, height: bottom - top + 8 });
    drawAxes(this.layers.axes, this.frame, this.drawing);
    this.series.forEach((series, place) => drawSeries(this.layers, series, place, this.frame, this.view));
    drawDiverged(this.layers, this.series, this.frame, this.view, this.drawing.x);
    if (this.frame.hasLabels) drawLabels(this.layers.labels, this.series, this.frame);
    this.point(this.at);
  }

  drawEmpty() {
    const { width, height } = this.frame;
    const words = this.view.window ? "No values in this window" : (this.drawing.empty ?? "No values yet");
    const place = { x: width / 2, y: height / 2, "text-anchor": "middle" };
    this.layers.axes.append(svg("text", { class: "chart-empty", ...place }, words));
    this.tip.hidden = true;
  }

  // All x that have a value, ascending.
  places() {
    if (!this.frame?.x) return placesOf(this.series ?? [], [-Infinity, Infinity]);
    this.known ??= placesOf(this.series, this.frame.range);
    return this.known;
  }

  // Show the values at x, or none for null; `spoken` says them too.
  point(x, { spoken = false } = {}) {
    this.at = x ?? null;
    this.layers.cursor.replaceChildren();
    const [first, last] = this.frame?.x ? this.frame.range : [Infinity, -Infinity];
    this.tip.hidden = this.at === null || this.at < first || this.at > last;
    if (this.tip.hidden) return;
    const found = this.series.map((series) => ({ series, ...valueAt(series, x) }));
    drawCursor(this.layers.cursor, x, found, this.frame);
    this.fillTip(x, found);
    if (spoken) this.voice.textContent = this.sentence(x, found);
  }

  sentence(x, found) {
    const { unit, x: xUnit } = this.drawing;
    const parts = found.map((each) => `${each.series.label} ${inWords(each, x, unit, xUnit)}`);
    return `${placeOf(x, xUnit)}: ${parts.join("; ")}`;
  }

  fillTip(x, found) {
    const head = html("p", {}, placeOf(x, this.drawing.x));
    const sorted = found.toSorted((a, b) => (b.y ?? -Infinity) - (a.y ?? -Infinity));
    const withBand = sorted.length <= MOST_WITH_BAND;
    const rows = sorted.slice(0, MOST_IN_TIP).map((each) => tipRow(each, x, this.drawing, withBand));
    const left = sorted.length - MOST_IN_TIP;
    const more = left > 0 ? html("p", {}, `and ${left} more in the table`) : null;
    this.tip.replaceChildren(head, html("dl", {}, ...rows.flat()), ...(more ? [more] : []));
    const { top, width, narrow } = this.frame;
    if (narrow) return;
    const pixel = this.frame.x(x);
    const isLeft = pixel + 16 + this.tip.offsetWidth <= width;
    const start = isLeft ? pixel + 16 : Math.max(pixel - 16 - this.tip.offsetWidth, 0);
    this.tip.style.transform = `translate(${Math.round(start)}px, ${top}px)`;
  }

  // Show a selection from one x to another; null ends it.
  select(from, to) {
    this.layers.selection.replaceChildren();
    if (from === null || !this.frame?.x) return;
    const { x, top, bottom, left, right } = this.frame;
    const [start, end] = [from, to].map((each) => Math.min(Math.max(x(each), left), right)).sort((a, b) => a - b);
    this.layers.selection.append(svg("rect", { x: start, y: top, width: end - start, height: bottom - top }));
  }

  // Ask for a window; null is everything.
  zoom(from, to) {
    this.onWindow(from === null ? null : [Math.min(from, to), Math.max(from, to)]);
  }
}
