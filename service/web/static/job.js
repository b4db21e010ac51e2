// The page of a job: its stream moves the facts and the curves; the evaluation loads when it comes into view.
import { Chart } from "./chart.js";
import { showCurves } from "./curves.js";
import { fetchPage, morph } from "./dom.js";
import { html } from "./elements.js";
import { follow, paced } from "./live.js";
import { look } from "./palette.js";
import { jobSource } from "./sources.js";

const SPACING_MS = 500;
const TELEMETRY_MS = 2000;
const MEASURED = {
  gradient_norm: ["Length of the gradient", (layer) => layer.gradient_norm],
  weight_norm: ["Mean length of the weights of a unit", (layer) => layer.weight_norm?.mean ?? null],
  effective_step: ["Mean of learning rate / (length of the weights)²", (layer) => layer.effective_step?.mean ?? null],
  dead_units: ["Share of units that are always 0", (layer) => layer.dead_units],
};
const LOOKS = ["batch", "weight", "layer", "weight+init", "rms", "group", "none"];

const job = document.getElementById("job");
const { url, method, failure } = job.dataset;
const listeners = [];
let last = Number(job.dataset.step);

const source = jobSource({
  url,
  method,
  steps: Number(job.dataset.steps),
  failure: failure ? JSON.parse(failure) : null,
});
showCurves(document.getElementById("curves"), [source], { subscribe: (listen) => listeners.push(listen) });

// The facts are the server's own: at most twice a second the page is read again.
const refresh = paced(SPACING_MS, async () => {
  const page = await fetchPage(location.pathname);
  announce(page);
  for (const id of ["job", "parts"]) morph(document.getElementById(id), page.getElementById(id));
  const evaluation = page.getElementById("evaluation");
  if (evaluation && !document.getElementById("evaluation")) {
    document.querySelector("main").append(evaluation);
    watchEvaluation();
  }
});

function announce(page) {
  const words = (root) => root.querySelector("#job .state").textContent.trim();
  if (words(document) !== words(page)) document.getElementById("news").textContent = `The job is now: ${words(page)}`;
}

const isEvaluated = (rows = []) => rows.some((row) => row.test_accuracy !== null);

function hear(name) {
  return (data) => {
    if (name === "metrics") last = data.items.at(-1).step;
    for (const listen of listeners) listen(name, data);
    refresh();
    if (name === "done" || isEvaluated(data.items)) showTelemetry();
  };
}

if (job.dataset.ended === "no") {
  follow(() => `${url}/events?after_step=${last}`, {
    metrics: hear("metrics"),
    status: hear("status"),
    done: hear("done"),
  });
}

// Curves of what each evaluation measures in the layers.
const telemetryCharts = new Map();
const showTelemetry = paced(TELEMETRY_MS, async () => {
  const host = document.getElementById("telemetry");
  if (!host) return;
  const rows = (await (await fetch(host.dataset.url)).json()).items;
  if (!rows.length) return;
  if (!telemetryCharts.size) host.replaceChildren();
  for (const [title, read] of Object.values(MEASURED)) {
    const groups = rows[0].layers.map((_, place) => groupOf(rows, place, read)).filter((group) => group.x.length);
    if (!groups.length) continue;
    if (!telemetryCharts.has(title)) {
      telemetryCharts.set(title, new Chart(host.appendChild(html("div", { class: "curves-chart" }))));
    }
    const drawing = { title, unit: "nats", x: "step", extent: null, groups };
    telemetryCharts.get(title).update(drawing, { smoothing: 0, log: false });
  }
});

function groupOf(rows, place, read) {
  const points = rows.map((row) => [row.step, read(row.layers[place])]).filter(([, value]) => value !== null);
  const name = rows[0].layers[place].layer;
  return {
    ...{ key: name, label: name, look: look(LOOKS[place % LOOKS.length]), n: null, lo: null, hi: null, runs: [] },
    ...{ x: points.map(([step]) => step), mean: points.map(([, value]) => value), diverged: [] },
  };
}
showTelemetry();

function watchEvaluation() {
  const place = document.getElementById("evaluation");
  if (!place) return;
  const observer = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    try {
      const found = (await fetchPage(place.dataset.url)).getElementById("evaluation");
      if (found) place.replaceWith(found);
    } catch {
      // The link to the evaluation stays.
    }
  });
  observer.observe(place);
}
watchEvaluation();
