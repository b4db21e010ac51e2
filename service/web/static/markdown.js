// Charts as Markdown: the figure of the service, and a table of the newest values.

import { numbersOf, placeOf, valueAt } from "./series.js";

// Markdown of drawings, of which the service draws the figure at this path.
export function markdownOf(drawings, figure) {
  const titles = drawings.map((drawing) => drawing.title).join(" and ");
  const image = `![${escaped(titles)}](${new URL(figure, location.origin)})`;
  return [image, ...drawings.map(tableOf)].join("\n\n") + "\n";
}

function tableOf({ title, unit, x, groups }) {
  const rows = groups.flatMap((group) => {
    const last = group.mean.findLastIndex((value) => value !== null);
    if (last < 0) return [];
    const found = valueAt({ ...group, line: group.mean }, group.x[last]);
    const { value, band } = numbersOf(found, unit);
    return [[escaped(group.label), placeOf(found.x, x), found.n ?? 1, value, band ? band.join(" to ") : "–"]];
  });
  const head = ["", x === "step" ? "step" : "time", "runs", title.toLowerCase(), "band"].map(escaped);
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.join("\n");
}

const escaped = (text) => text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>|#!&~$]/g, "\\$&");
