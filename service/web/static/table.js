// The data of a chart as a table, filled once someone opens it.

import { html } from "./elements.js";
import { exact } from "./scales.js";

const MOST_ROWS = 500;

// A closed table; `show` gives it the data, and it is filled while it is open.
export function dataTable() {
  const body = html("div", { class: "chart-table", tabindex: 0, role: "region", "aria-label": "Data of the chart" });
  const element = html("details", { class: "chart-data" }, html("summary", {}, "Data as a table"), body);
  let given = null;
  const fill = () => element.open && given && body.replaceChildren(...content(...given));
  element.addEventListener("toggle", fill);
  return {
    element,
    show(...data) {
      given = data;
      fill();
    },
  };
}

function content(drawing, series, places) {
  const steps = places();
  const columns = series.flatMap((each) => columnsOf(each));
  const indices = new Map(series.map((each) => [each.key, new Map(each.x.map((x, i) => [x, i]))]));
  const rows = steps.slice(0, MOST_ROWS).map((x) => {
    const cells = columns.map(({ key, values, unit }) => {
      const value = values[indices.get(key).get(x)] ?? null;
      return html("td", {}, value === null ? "" : html("data", { value }, exact(value, unit ?? drawing.unit, 4)));
    });
    return html("tr", {}, html("th", { scope: "row" }, html("data", { value: x }, exact(x, drawing.x, 4))), ...cells);
  });
  const heads = [drawing.x, ...columns.map((column) => column.name)].map((name) => html("th", { scope: "col" }, name));
  const caption = html("caption", {}, drawing.title);
  const table = html("table", {}, caption, html("thead", {}, html("tr", {}, ...heads)), html("tbody", {}, ...rows));
  const left = steps.length - rows.length;
  const note = left > 0 ? [html("p", {}, `The first ${MOST_ROWS} of ${steps.length} rows; the CSV has all.`)] : [];
  return [table, ...note];
}

function columnsOf({ key, label, mean, lo, hi, n }) {
  if (!hi) return [{ key, name: label, values: mean }];
  return [
    { key, name: `${label} mean`, values: mean },
    { key, name: `${label} low`, values: lo },
    { key, name: `${label} high`, values: hi },
    { key, name: `${label} n`, values: n, unit: "step" },
  ];
}
