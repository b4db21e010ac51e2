// The shapes of a chart as SVG paths, and the places of its labels. No DOM.

import { CORNERS } from "./palette.js";

const round = (pixel) => Math.round(pixel * 10) / 10;

// The indices that a line needs: all of few points; of many, the first, lowest, highest and last of each
// column of pixels, which looks the same. -1 is where the line is interrupted.
function needed(xs, values, x, shows) {
  const found = [];
  const crowded = xs.length > 4 * Math.abs(x(xs.at(-1)) - x(xs[0]));
  let column = null;
  const flush = () => {
    if (!column) return;
    const { first, low, high, last } = column;
    for (const i of new Set([first, Math.min(low, high), Math.max(low, high), last])) found.push(i);
    column = null;
  };
  for (let i = 0; i < xs.length; i++) {
    if (!shows(values[i])) {
      flush();
      found.push(-1);
      continue;
    }
    if (!crowded) {
      found.push(i);
      continue;
    }
    const pixel = Math.floor(x(xs[i]));
    if (column?.pixel !== pixel) {
      flush();
      column = { pixel, first: i, low: i, high: i, last: i };
    }
    column.last = i;
    if (values[i] < values[column.low]) column.low = i;
    if (values[i] > values[column.high]) column.high = i;
  }
  flush();
  return found;
}

// A line through the values that the scale can show; it is interrupted where there is none.
export function linePath(xs, values, x, y) {
  let path = "";
  let down = false;
  for (const i of needed(xs, values, x, y.shows)) {
    if (i >= 0) path += `${down ? "L" : "M"}${round(x(xs[i]))} ${round(y(values[i]))}`;
    down = i >= 0;
  }
  return path;
}

// The area between two lines; on a log scale, an end that is not positive lies at the lower edge.
export function bandPath(xs, lows, highs, x, y, floor) {
  let path = "";
  for (let start = 0; start < xs.length; ) {
    let end = start;
    while (end < xs.length && Number.isFinite(lows[end]) && y.shows(highs[end])) end++;
    if (end > start) path += areaPath(...[xs, lows, highs].map((each) => each.slice(start, end)), x, y, floor);
    start = end + 1;
  }
  return path;
}

function areaPath(xs, lows, highs, x, y, floor) {
  const above = needed(xs, highs, x, y.shows).map((i) => `${round(x(xs[i]))} ${round(y(highs[i]))}`);
  const below = needed(xs, lows, x, Number.isFinite).reverse();
  const back = below.map((i) => `${round(x(xs[i]))} ${round(y.shows(lows[i]) ? y(lows[i]) : floor)}`);
  return `M${[...above, ...back].join("L")}Z`;
}

// The indices of the points to mark: all of few, a handful of many, and those that no line shows.
export function marked(values, y, place, few = 30, sparse = 6) {
  const known = [];
  values.forEach((value, i) => y.shows(value) && known.push(i));
  const stride = known.length <= few ? 1 : Math.ceil(known.length / sparse);
  const first = Math.floor((stride * ((place * 5) % 8)) / 8);
  const alone = (i) => !y.shows(values[i - 1]) && !y.shows(values[i + 1]);
  return known.filter((i, k) => k % stride === first || alone(i));
}

// Markers of one shape at points in pixels, as one path.
export function markerPath(name, points, radius) {
  const corners = CORNERS[name];
  if (!corners?.length) {
    const r = name === "." ? radius * 0.6 : radius;
    const around = `a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    return points.map(([x, y]) => `M${round(x - r)} ${round(y)}${around}`).join("");
  }
  const at = ([x, y]) => corners.map(([dx, dy]) => `${round(x + dx * radius)} ${round(y + dy * radius)}`).join("L");
  return points.map((point) => `M${at(point)}Z`).join("");
}

// Places for labels that want to be at these pixels: in order, at least `gap` apart, between top and bottom.
export function spreadOut(wanted, gap, top, bottom) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const places = [];
  let free = top;
  for (const i of order) {
    places[i] = Math.max(wanted[i], free);
    free = places[i] + gap;
  }
  let limit = bottom;
  for (const i of order.reverse()) {
    places[i] = Math.min(places[i], limit);
    limit = places[i] - gap;
  }
  return places;
}
