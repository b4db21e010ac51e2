// The controls of curves, and their state in the address of the page.

import { html } from "./elements.js";

const METRICS = ["test", "train", "validation"].flatMap((split) => [`${split}_accuracy`, `${split}_loss`]);
const BANDS = { ci95: "95 % interval of the mean", sd: "± standard deviation", minmax: "range" };
const DEFAULTS = {
  ...{ metric: "test_accuracy", band: "ci95", runs: false, x: "step" },
  ...{ smoothing: 0, log: null, from: null, to: null },
};

// "test accuracy" for test_accuracy.
export const inWordsOf = (metric) => metric.replaceAll("_", " ");

// The state that the address of the page asks for; what makes no sense is as by default.
export function readState(search = location.search) {
  const query = new URLSearchParams(search);
  const step = (name) => (/^[1-9]\d{0,8}$/.test(query.get(name)) ? Number(query.get(name)) : null);
  const oneOf = (name, values) => (values.includes(query.get(name)) ? query.get(name) : DEFAULTS[name]);
  const smoothing = Number(query.get("smoothing"));
  const [from, to] = [step("from"), step("to")];
  return {
    metric: oneOf("metric", METRICS),
    band: oneOf("band", Object.keys(BANDS)),
    x: oneOf("x", ["step", "seconds"]),
    runs: query.get("runs") === "1",
    log: { 0: false, 1: true }[query.get("log")] ?? null, // null: as the values need it
    smoothing: smoothing > 0 && smoothing < 1 ? smoothing : 0,
    ...(from !== null && to !== null && from > to ? { from: null, to: null } : { from, to }),
  };
}

// Write into the address what differs from the default, beside what others keep there.
export function writeState(state) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(state)) {
    if (value === DEFAULTS[name]) url.searchParams.delete(name);
    else url.searchParams.set(name, typeof value === "boolean" ? Number(value) : value);
  }
  history.replaceState(history.state, "", url);
}

// A form whose changes are passed on as parts of the state; `show` fills in a state.
export function controls({ ofJob, steps }, onChange) {
  const fields = ofJob ? jobFields() : comparisonFields();
  const window = windowFields(steps);
  const all = { ...fields, ...window.fields };
  const whole = html("button", { type: "button", class: "quiet" }, "All steps");
  whole.addEventListener("click", () => onChange({ from: null, to: null }));
  const rows = Object.values(fields).map((field) => field.element);
  const ends = html("div", { class: "curves-window" }, ...window.elements, whole);
  const form = html("form", { class: "curves-controls", "aria-label": "Curves" }, ...rows, ends);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    const field = all[target.name];
    if (field && target.checkValidity()) onChange({ [target.name]: field.read() });
  });
  const show = (state) => {
    for (const [name, field] of Object.entries(all)) field.write(state[name]);
    whole.disabled = state.from === null && state.to === null;
  };
  return { form, show };
}

const comparisonFields = () => ({
  metric: choice("metric", "Metric", Object.fromEntries(METRICS.map((name) => [name, inWordsOf(name)]))),
  band: choice("band", "Band", BANDS),
  runs: box("runs", "Each seed"),
  ...commonFields(),
});
const jobFields = () => ({ x: choice("x", "Along", { step: "steps", seconds: "training time" }), ...commonFields() });
const commonFields = () => ({ smoothing: slider(), log: box("log", "Log scale for losses") });

function choice(name, label, options) {
  const entries = Object.entries(options).map(([value, words]) => html("option", { value }, words));
  const select = html("select", { name }, ...entries);
  return {
    element: html("label", {}, html("span", {}, label), select),
    read: () => select.value,
    write: (value) => (select.value = value),
  };
}

function box(name, label) {
  const input = html("input", { type: "checkbox", name });
  return {
    element: html("label", { class: "check" }, input, html("span", {}, label)),
    read: () => input.checked,
    write: (value) => (input.checked = value),
  };
}

function slider() {
  const input = html("input", { type: "range", name: "smoothing", min: 0, max: 0.99, step: 0.01 });
  const output = html("span", { class: "curves-weight", "aria-hidden": "true" });
  return {
    element: html("label", {}, html("span", {}, "Smoothing "), html("span", { class: "curves-slider" }, input, output)),
    read: () => Number(input.value),
    write: (value) => {
      if (document.activeElement !== input) input.value = value;
      output.textContent = value ? value.toFixed(2) : "off";
    },
  };
}

function windowFields(steps) {
  const field = (name, label) => {
    const bounds = { min: 1, max: steps, step: 1, placeholder: name === "from" ? 1 : steps };
    const input = html("input", { type: "number", name, inputmode: "numeric", ...bounds });
    return {
      element: html("label", {}, html("span", {}, label), input),
      read: () => (input.value === "" ? null : Number(input.value)),
      write: (value) => document.activeElement !== input && (input.value = value ?? ""),
    };
  };
  const fields = { from: field("from", "From step"), to: field("to", "To step") };
  return { fields, elements: Object.values(fields).map((each) => each.element) };
}
