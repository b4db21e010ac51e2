// What a chart draws: its groups as lines, the ranges of its axes, and its values at a step. No DOM.

import { exact, extremes, lastUpTo, smooth, withMargin } from "./scales.js";

const FEWEST_TO_SMOOTH = 50;
const SMALLEST_SHARE = 0.1; // of a common axis that each of two charts must use
const SPARSE = 4; // times the spacing of the densest line
const BOUNDS = { fraction: [0, 1], nats: [0, Infinity], seconds: [0, Infinity] };
const isNumber = Number.isFinite;

// Groups with their `line`, and with the raw `behind` it where it is smoothed. A sparse line is never
// smoothed: with the weight of a dense one it would lag far behind its values.
export function toSeries(groups, smoothing) {
  const counts = groups.map((group) => group.mean.reduce((n, value) => n + isNumber(value), 0));
  const spacings = groups.map(({ x }, i) => (x.at(-1) - x[0]) / Math.max(counts[i] - 1, 1));
  const widest = SPARSE * Math.min(...spacings.filter((_, i) => counts[i] >= FEWEST_TO_SMOOTH));
  return groups.map((group, i) => {
    const smoothed = smoothing > 0 && counts[i] >= FEWEST_TO_SMOOTH && spacings[i] <= widest;
    const line = smoothed ? smooth(group.mean, smoothing) : group.mean;
    return { ...group, count: counts[i], line, behind: smoothed ? group.mean : null };
  });
}

// The range of x: the window, or all that there is and will be.
export function rangeOfX(series, drawing, window) {
  if (window) return window;
  let [low, high] = drawing.extent ?? [Infinity, -Infinity];
  for (const { x, diverged } of series) {
    for (const each of [x[0], x.at(-1), ...diverged.map((run) => run.x)]) {
      if (isNumber(each)) [low, high] = [Math.min(low, each), Math.max(high, each)];
    }
  }
  if (low > high) return null;
  return low === high ? [low - 1, high + 1] : [low, high];
}

// The range of y: all lines, and bands as far as they leave the lines readable; null without values.
export function rangeOfY(series, [from, to], { log, runs, unit }) {
  let lines;
  let bands;
  for (const group of series) {
    const start = Math.max(lastUpTo(group.x, from - 1e-9), 0);
    const end = Math.min(lastUpTo(group.x, to) + 2, group.x.length);
    const drawn = [group.mean, ...(runs ? group.runs.map((run) => run.y) : [])];
    for (const values of drawn) lines = extremes(values, start, end, log, lines);
    for (const values of [group.lo ?? [], group.hi ?? []]) bands = extremes(values, start, end, log, bands);
  }
  if (!lines || lines[0] > lines[1]) return null;
  const [low, high] = lines;
  const [floor, ceiling] = BOUNDS[unit] ?? [-Infinity, Infinity];
  const span = high - low;
  const lowest = log ? low / 1.5 : Math.max(low - span, Math.min(floor, low));
  const highest = log ? high * 1.5 : Math.min(high + span, Math.max(ceiling, high));
  const widest = [Math.min(low, Math.max(bands[0], lowest)), Math.max(high, Math.min(bands[1], highest))];
  return withMargin(widest, log, [floor, ceiling]);
}

// The range of y of a chart with others beside it: a common one while both use enough of it, or else its own.
export function commonRangeOfY(series, beside, range, view) {
  const [own, others] = [series, beside].map((each) => rangeOfY(each, range, view));
  const all = rangeOfY([...series, ...beside], range, view);
  if (!own || !others) return { y: all, apart: false };
  const place = view.log ? Math.log : Number;
  const width = ([low, high]) => place(high) - place(low);
  const apart = Math.min(width(own), width(others)) < SMALLEST_SHARE * width(all);
  return { y: apart ? own : all, apart };
}

// All x of all series in the range, ascending.
export function placesOf(series, [from, to]) {
  const all = new Set();
  for (const { x } of series) for (const each of x) if (each >= from && each <= to) all.add(each);
  return [...all].sort((a, b) => a - b);
}

// What a series has at x: the value there, or else the newest one before and where that is.
export function valueAt(series, x) {
  let i = lastUpTo(series.x, x);
  const isGap = series.x[i] === x && !isNumber(series.mean[i]);
  while (i >= 0 && !isNumber(series.mean[i])) i--;
  const isLast = series.mean.findIndex((value, k) => k > i && isNumber(value)) < 0;
  const gone = isLast && series.x[i] !== x && series.diverged.some((run) => run.x <= x);
  if (i < 0 || isGap || gone) return { gone };
  const [lo, hi] = [series.lo?.[i] ?? null, series.hi?.[i] ?? null];
  return { x: series.x[i], y: series.mean[i], line: series.line[i], lo, hi, n: series.n?.[i] };
}

// A value in words, with its band, and with its step where that is not the cursor's.
export function inWords(found, x, unit, xUnit) {
  const { value, band } = numbersOf(found, unit);
  const older = found.y === undefined || found.x === x ? "" : ` at ${placeOf(found.x, xUnit)}`;
  return value + (band ? `, ${band.join(" to ")}` : "") + older;
}

// The texts of a value and of the ends of its band; a mean of losses has one digit more than a run.
// Accuracies have four decimals everywhere, as in tables and reports.
export function numbersOf(found, unit) {
  if (found.y === undefined) return { value: found.gone ? "NaN" : "no value", band: null };
  const decimals = unit === "fraction" || (found.lo === null && !found.n) ? 2 : 3;
  const has = found.lo !== null && found.hi !== null;
  const band = has ? [exact(found.lo, unit, decimals), exact(found.hi, unit, decimals)] : null;
  return { value: exact(found.y, unit, decimals), band };
}

// An x as "step 1,000" or "8.2 s".
export const placeOf = (x, unit) => (unit === "step" ? `step ${exact(x, unit)}` : exact(x, unit));

// Notes about what the chart leaves out or changes.
export function notesOf(series, { log, smoothing, runs }) {
  const notes = [];
  if (log) {
    const left = series.flatMap(({ mean, runs: own }) => [...mean, ...(runs ? own.flatMap((run) => run.y) : [])]);
    const n = left.filter((value) => isNumber(value) && value <= 0).length;
    if (n) notes.push(`The log scale leaves out ${n === 1 ? "1 value that is" : `${n} values that are`} not above 0.`);
  }
  const outlived = series.filter(({ x, line, diverged }) => {
    const last = x[line.findLastIndex(isNumber)];
    return diverged.some((run) => run.seed !== undefined && run.x < last);
  });
  if (outlived.length) {
    const names = outlived.length > 3 ? `${outlived.length} lines` : outlived.map((each) => each.label).join(", ");
    notes.push(`After a NaN, a mean is of the runs that are left: ${names}.`);
  }
  if (smoothing > 0) {
    const sparse = series.filter((each) => each.count && !each.behind).map((each) => each.label);
    const names = sparse.length > 3 ? `${sparse.length} lines` : sparse.join(", ");
    if (series.some((each) => each.behind)) notes.push("Smoothed over the drawn points, the raw line behind; bands are of raw values.");
    if (sparse.length) notes.push(`Not smoothed, because too few points: ${names}.`);
  }
  return notes;
}
