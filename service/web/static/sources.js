// Where curves come from: a job's history or a comparison's curves, as drawings for a chart.

import { inWordsOf } from "./controls.js";
import { look, lookOfSplit } from "./palette.js";

const POINTS_OF_JOB = 1000;
const POINTS_OF_ARMS = 500;
const MOST_KEPT = 4 * POINTS_OF_JOB;
const SPLITS = ["train", "validation", "test"];

async function ask(url, query, signal) {
  const response = await fetch(`${url}?${query}`, { signal, headers: { accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? body.title ?? `status ${response.status}`);
  return body;
}

// A query of what is not null.
function queryOf(parts) {
  const given = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

const unitOf = (metric) => (metric.endsWith("accuracy") ? "fraction" : "nats");
const windowOf = ({ from, to }) => ({ start_step: from, end_step: to });

// The curves of a comparison: {url, steps, title, query} with what each request also has, as a learning rate.
export function comparisonSource({ url, steps, title, query = {} }) {
  const common = (state) => ({ metric: state.metric, band: state.band, ...windowOf(state), ...query });
  const table = (state) => ({ ...common(state), max_points: POINTS_OF_ARMS, runs: state.runs || null });
  return {
    steps,
    refreshOn: ["comparison", "done"],
    async load(state, signal) {
      const curves = await ask(`${url}/curves`, queryOf(table(state)), signal);
      const words = inWordsOf(curves.metric);
      const heading = title ? `${title}: ${words}` : words[0].toUpperCase() + words.slice(1);
      return [{ title: heading, unit: unitOf(curves.metric), x: "step", groups: groupsOf(curves.arms) }];
    },
    links: (state) => ({
      PNG: `${url}/plot.png?${queryOf(common(state))}`,
      SVG: `${url}/plot.svg?${queryOf(common(state))}`,
      CSV: `${url}/curves.csv?${queryOf(table(state))}`,
      JSON: `${url}/curves?${queryOf(table(state))}`,
      Report: `${url}/report.md?${queryOf(query)}`,
    }),
  };
}

// The arms of a response as groups; arms of one method have looks of their own.
export function groupsOf(arms) {
  const counts = {};
  return arms.map(({ arm, method, n, x, mean, low, high, runs, diverged }) => ({
    ...{ key: arm, label: arm, look: look(method, (counts[method] = (counts[method] ?? -1) + 1)) },
    ...{ n, x, mean, lo: low, hi: high, runs: runs ?? [] },
    diverged: diverged.map(({ seed, step }) => ({ seed, x: step })),
  }));
}

// The history of a job: {url, steps, method, failure}; new rows of its stream are added to what is loaded.
export function jobSource({ url, steps, method, failure }) {
  let columns = null;
  let recent = [];
  let failed = failure ?? null;
  let last = 0;
  const keep = (rows) => {
    last = Math.max(last, rows.at(-1)?.step ?? 0);
    recent = [...recent, ...rows].slice(-MOST_KEPT);
    if (columns) addRows(columns, rows);
  };
  return {
    steps,
    ofJob: true,
    refreshOn: ["done"],
    async load(state, signal) {
      const query = { layout: "columns", max_points: POINTS_OF_JOB, ...windowOf(state) };
      const page = await ask(`${url}/metrics`, queryOf(query), signal);
      const { n_in: all, n_out: shown } = page.thinning;
      columns = { ...page.items, end: state.to ?? Infinity, left: all - shown, all };
      addRows(columns, recent);
      last = Math.max(last, columns.step.at(-1) ?? 0);
      return drawingsOf(columns, state, method, failed, steps);
    },
    // Drawings with what an event brings; null if it brings nothing to draw, undefined if one must load again.
    add(name, data, state) {
      if (name === "status") failed = data.failure;
      if (name !== "metrics") return null;
      keep(data.items);
      if (!columns) return null;
      return columns.step.length > MOST_KEPT ? undefined : drawingsOf(columns, state, method, failed, steps);
    },
    // The newest step that is known: a stream goes on after it.
    lastStep: () => last,
    // The steps of a window in seconds.
    stepsOf([from, to]) {
      const inside = columns.step.filter((_, i) => columns.elapsed_seconds[i] >= from && columns.elapsed_seconds[i] <= to);
      return inside.length ? [inside[0], inside.at(-1)] : null;
    },
    links: (state) => ({
      PNG: `${url}/plot.png?${queryOf(windowOf(state))}`,
      SVG: `${url}/plot.svg?${queryOf(windowOf(state))}`,
      CSV: `${url}/metrics.csv?${queryOf(windowOf(state))}`,
      JSON: `${url}/metrics?${queryOf({ layout: "columns", ...windowOf(state) })}`,
    }),
  };
}

// Add rows that come after the last one, and inside the window.
function addRows(columns, rows) {
  for (const row of rows) {
    if (row.step <= (columns.step.at(-1) ?? 0) || row.step > columns.end) continue;
    for (const name of Object.keys(row)) columns[name]?.push(row[name]);
    columns.all += 1;
  }
}

// Loss and accuracy of a history's columns as two drawings.
export function drawingsOf(columns, state, method, failure, steps) {
  const xs = state.x === "seconds" ? columns.elapsed_seconds : columns.step;
  const stop = failure?.code === "diverged" ? (failure.step ?? columns.step.at(-1)) : null;
  const place = stop === null ? null : state.x === "step" ? stop : xs.at(-1);
  const shown = columns.all - columns.left;
  const notes = columns.left ? [`${shown} of ${columns.all} steps are drawn; choose a window to see more.`] : [];
  const extent = state.x === "step" && steps ? [1, steps] : null;
  return ["loss", "accuracy"].map((kind) => ({
    ...{ title: kind[0].toUpperCase() + kind.slice(1), unit: unitOf(kind), x: state.x, extent, notes },
    groups: SPLITS.map((split) => groupOf(columns, xs, split, `${split}_${kind}`, method, place)),
  }));
}

// One metric at the steps at which it was measured; a value that was not finite is a gap.
function groupOf(columns, xs, split, metric, method, stop) {
  const values = columns[metric];
  const rows = [];
  for (let i = 0; i < xs.length; i++) {
    if (values[i] !== null || columns.non_finite[i].includes(metric)) rows.push(i);
  }
  return {
    ...{ key: split, label: split, look: lookOfSplit(split, method), n: null, lo: null, hi: null, runs: [] },
    ...{ x: rows.map((i) => xs[i]), mean: rows.map((i) => values[i]) },
    diverged: stop !== null && split === "train" ? [{ x: stop }] : [],
  };
}
