// The layers of a chart: axes, bands, lines, markers, labels at the ends of the lines, and the cursor.

import { html, svg } from "./elements.js";
import { linearTicks, logTicks, scale, tickLabel } from "./scales.js";
import { commonRangeOfY, numbersOf, placeOf, rangeOfX } from "./series.js";
import { bandPath, linePath, marked, markerPath, spreadOut } from "./shapes.js";

const LINE = 2;
const LABEL_GAP = 16;
const NARROW = 460;

export function frameOf(width, { series, drawing, view }) {
  const narrow = width < NARROW;
  const height = narrow ? 250 : 320;
  const frame = { width, height, top: 14, bottom: height - 40, left: 0, right: width - 14, narrow };
  const room = frame.bottom - frame.top;
  frame.hasLabels = !narrow && series.length > 0 && series.length * LABEL_GAP <= room;
  const together = [...series, ...(view.beside ?? [])]; // charts beside each other have the same steps
  frame.range = rangeOfX(together, drawing, view.window);
  const ofY = { ...view, unit: drawing.unit };
  const found = frame.range && commonRangeOfY(series, view.beside ?? [], frame.range, ofY);
  if (!found?.y) return frame;
  const range = found.y;
  frame.apart = found.apart;
  frame.xTicks = linearTicks(frame.range, Math.floor(width / (narrow ? 75 : 110)), drawing.x === "step" ? 1 : 0);
  frame.yTicks = (view.log ? logTicks : linearTicks)(range, Math.round(room / 52));
  frame.yLabels = frame.yTicks.values.map((value) => tickLabel(value, frame.yTicks.step, drawing.unit));
  frame.left = Math.ceil(Math.max(0, ...frame.yLabels.map((label) => textWidth(label)))) + 14;
  frame.labelRoom = Math.min(Math.max(0, ...series.map((each) => textWidth(each.label))), width * 0.28);
  const lastTick = tickLabel(frame.xTicks.values.at(-1) ?? 0, frame.xTicks.step, drawing.x);
  frame.right = width - Math.max(14, Math.ceil(textWidth(lastTick) / 2) + 2);
  if (frame.hasLabels) frame.right = width - frame.labelRoom - 26;
  frame.x = scale(frame.range, [frame.left + 6, frame.right]);
  frame.y = scale(range, [frame.bottom, frame.top], view.log);
  return frame;
}

const measure = document.createElement("canvas").getContext("2d");
function textWidth(text) {
  measure.font = `600 12.5px ${getComputedStyle(document.body).fontFamily}`;
  return measure.measureText(text).width;
}

export function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

export function drawAxes(layer, { x, y, xTicks, yTicks, yLabels, left, right, top, bottom }, drawing) {
  yTicks.values.forEach((value, i) => {
    const place = y(value);
    layer.append(svg("line", { class: "chart-grid", x1: left, x2: right, y1: place, y2: place }));
    layer.append(svg("text", { x: left - 8, y: place, dy: "0.35em", "text-anchor": "end" }, yLabels[i]));
  });
  layer.append(svg("line", { class: "chart-axis", x1: left, x2: right, y1: bottom, y2: bottom }));
  for (const value of xTicks.values) {
    const place = x(value);
    layer.append(svg("line", { class: "chart-axis", x1: place, x2: place, y1: bottom, y2: bottom + 4 }));
    const label = tickLabel(value, xTicks.step, drawing.x);
    layer.append(svg("text", { x: place, y: bottom + 18, "text-anchor": "middle" }, label));
  }
  const unit = drawing.x === "seconds" ? "training time in seconds" : "step";
  layer.append(svg("text", { class: "chart-unit", x: right, y: bottom + 35, "text-anchor": "end" }, unit));
}

export function drawSeries(layers, series, place, { x, y, bottom }, { runs }) {
  const { look } = series;
  const own = { style: { "--stroke": look.colour }, "data-key": series.key };
  const add = (layer) => layer.appendChild(svg("g", own));
  const [bands, behind, lines] = [layers.bands, layers.runs, layers.lines].map(add);
  const band = series.hi ? bandPath(series.x, series.lo, series.hi, x, y, bottom) : null;
  if (band) bands.append(svg("path", { class: "chart-band", d: band }));
  for (const run of runs ? series.runs : []) {
    const line = { "data-seed": run.seed, d: linePath(series.x, run.y, x, y) };
    behind.append(svg("path", { class: `chart-run${series.behind ? " is-behind" : ""}`, ...line }));
  }
  if (series.behind) behind.append(svg("path", { class: "chart-behind", d: linePath(series.x, series.behind, x, y) }));
  const width = look.faint && !series.behind ? LINE / 2 : LINE;
  const dash = look.dash ? look.dash.split(" ").map((each) => each * width).join(" ") : null;
  const faint = look.faint && !series.behind ? " is-faint" : "";
  const line = { class: `chart-line${faint}`, d: linePath(series.x, series.line, x, y) };
  lines.append(svg("path", { ...line, "stroke-width": width, "stroke-dasharray": dash }));
  const many = series.count > 30;
  if (look.faint && many) return;
  const points = marked(series.line, y, place).map((i) => [x(series.x[i]), y(series.line[i])]);
  lines.append(svg("path", { class: marksClass(look), d: markerPath(look.marker, points, 3.6) }));
}

const marksClass = (look) => `chart-marker${look.hollow ? " is-hollow" : ""}${look.rings ? " is-ring" : ""}`;

// A red square where a run stopped, and one sentence for each line.
export function drawDiverged(layers, series, { x, y, top, bottom, left, right, range }, { runs }, xUnit) {
  const stops = [];
  for (const each of series) {
    const seen = each.diverged.filter((run) => run.x >= range[0] && run.x <= range[1]).sort((a, b) => a.x - b.x);
    for (const run of seen) {
      const values = (runs && each.runs.find(({ seed }) => seed === run.seed)?.y) || each.line;
      const before = each.x.findLastIndex((at, i) => at <= run.x && y.shows(values[i]));
      const last = before < 0 ? each.x.findIndex((_, i) => y.shows(each.line[i])) : before;
      const place = last < 0 ? bottom : Math.min(Math.max(y((before < 0 ? each.line : values)[last]), top), bottom);
      const words = `${each.label}${run.seed === undefined ? "" : `, seed ${run.seed}`}: NaN at ${placeOf(run.x, xUnit)}`;
      layers.marks.append(
        svg("rect", { class: "chart-stop", x: x(run.x) - 4, y: place - 4, width: 8, height: 8 }, svg("title", {}, words)),
      );
      if (run === seen[0]) stops.push({ px: x(run.x), py: place, words: summary(seen, xUnit) });
    }
  }
  const places = spreadOut(stops.map((stop) => stop.py - 11), LABEL_GAP, top + 8, bottom - 4);
  stops.forEach(({ px, words }, i) => {
    const side = px + 12 + textWidth(words) < right || px < (left + right) / 2 ? 1 : -1;
    const place = { x: px + 8 * side, y: places[i], dy: "0.35em", "text-anchor": side > 0 ? "start" : "end" };
    layers.labels.append(svg("text", { class: "chart-stop-text", ...place }, words));
  });
}

function summary(runs, unit) {
  const first = Math.min(...runs.map((run) => run.x));
  return runs.length === 1 ? `NaN at ${placeOf(first, unit)}` : `${runs.length} runs NaN, first at ${placeOf(first, unit)}`;
}

// The name of each line at its end, with a thin line to it where it had to move.
export function drawLabels(layer, series, { x, y, right, top, bottom, labelRoom, range }) {
  const ends = series.map((each) => {
    const i = each.x.findLastIndex((at, k) => at <= range[1] && y.shows(each.line[k]));
    return i < 0 ? null : { series: each, px: x(each.x[i]), py: Math.min(Math.max(y(each.line[i]), top), bottom) };
  });
  const shown = ends.filter(Boolean);
  const places = spreadOut(shown.map((end) => end.py), LABEL_GAP, top + 4, bottom - 4);
  shown.forEach(({ series: each, px, py }, i) => {
    const group = svg("g", { style: { "--stroke": each.look.colour }, "data-key": each.key });
    const from = Math.min(px + 7, right + 4);
    const leader = `M${from} ${py}L${right + 12} ${py}L${right + 20} ${places[i]}`;
    group.append(svg("path", { class: "chart-leader", d: leader }));
    const text = svg("text", { x: right + 22, y: places[i], dy: "0.35em" }, shorten(each.label, labelRoom));
    text.append(svg("title", {}, each.label));
    group.append(text);
    layer.append(group);
  });
}

function shorten(text, room) {
  if (textWidth(text) <= room + 1) return text;
  let kept = text;
  while (kept && textWidth(`${kept}…`) > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

export function drawCursor(layer, x, found, frame) {
  const place = frame.x(x);
  layer.append(svg("line", { x1: place, x2: place, y1: frame.top, y2: frame.bottom }));
  for (const { series, x: at, line } of found) {
    if (line === undefined || !frame.y.shows(line)) continue;
    const dot = { cx: frame.x(at), cy: frame.y(line), r: 4.5 };
    if (at >= frame.range[0]) layer.append(svg("circle", { style: { "--stroke": series.look.colour }, ...dot }));
  }
}

// A row of the values at the cursor.
export function tipRow(found, x, { unit, x: xUnit }, withBand) {
  const { series } = found;
  const { value, band } = numbersOf(found, unit);
  const details = band && withBand ? [band.join(" – ")] : [];
  if (found.y !== undefined && found.x !== x) details.push(placeOf(found.x, xUnit));
  const cell = html("dd", { "data-key": series.key }, html("b", {}, value));
  if (details.length) cell.append(html("small", {}, details.join(" · ")));
  return [html("dt", {}, sample(series.look), html("span", {}, series.label)), cell];
}

// A short piece of a line with its marker.
function sample(look) {
  const dash = look.dash ? look.dash.split(" ").map((each) => each * LINE).join(" ") : null;
  const faint = look.faint ? " is-faint" : "";
  const drawn = { d: "M1 7H27", "stroke-width": LINE, "stroke-dasharray": dash };
  const line = svg("path", { class: `chart-line${faint}`, ...drawn });
  const marker = svg("path", { class: marksClass(look), d: markerPath(look.marker, [[14, 7]], 3.6) });
  const box = { width: 28, height: 14, "aria-hidden": "true", style: { "--stroke": look.colour } };
  return svg("svg", { class: "chart-sample", ...box }, line, marker);
}

export const legendEntry = ({ key, look, label }) =>
  html("li", { "data-key": key }, sample(look), html("span", {}, label));
