// The cursor of a chart and its selection: by mouse, by touch and by keyboard.

import { nearest } from "./scales.js";

const CLICK_PIXELS = 5;

// Let the pointer and the keys move the cursor of a chart and choose its window.
export function attachCursor(chart) {
  attachPointer(chart);
  attachKeys(chart);
}

function attachPointer(chart) {
  const target = chart.canvas;
  let pressedAt = null;
  const valueOf = (event) => {
    const { x, left, right } = chart.frame;
    const pixel = event.clientX - target.getBoundingClientRect().left;
    return x.invert(Math.min(Math.max(pixel, left), right));
  };
  const move = (event) => {
    if (!chart.frame?.x) return;
    if (pressedAt !== null) chart.select(pressedAt, valueOf(event));
    chart.point(nearest(chart.places(), valueOf(event)));
  };
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerdown", (event) => {
    if (event.button || !chart.frame?.x) return;
    move(event);
    if (event.pointerType === "touch") return;
    pressedAt = valueOf(event);
    target.setPointerCapture(event.pointerId);
  });
  target.addEventListener("pointerup", (event) => {
    if (pressedAt === null) return;
    const { x } = chart.frame;
    const [from, to] = [pressedAt, valueOf(event)];
    pressedAt = null;
    chart.select(null);
    if (Math.abs(x(from) - x(to)) > CLICK_PIXELS) chart.zoom(from, to);
  });
  target.addEventListener("pointercancel", () => {
    pressedAt = null;
    chart.select(null);
  });
  target.addEventListener("pointerleave", () => document.activeElement !== target && chart.point(null));
  target.addEventListener("dblclick", () => chart.zoom(null));
}

function attachKeys(chart) {
  let anchor = null;
  const forget = () => {
    anchor = null;
    chart.select(null);
  };
  const actions = {
    Enter: () => {
      const from = anchor;
      forget();
      if (from !== null && from !== chart.at) chart.zoom(from, chart.at);
    },
    Escape: () => {
      if (anchor !== null) forget();
      else if (chart.view.window) chart.zoom(null);
      else chart.point(null);
    },
  };
  chart.canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !chart.frame?.x) return;
    const target = actions[event.key] ? null : moved(event.key, chart.places(), chart.at);
    if (target === undefined) return;
    event.preventDefault();
    if (target === null) return void actions[event.key]();
    if (!event.shiftKey) forget();
    else anchor ??= chart.at ?? target;
    chart.point(target, { spoken: true });
    if (anchor !== null) chart.select(anchor, target);
  });
  chart.canvas.addEventListener("blur", () => {
    forget();
    chart.point(null);
  });
}

// Where a key moves the cursor; undefined for other keys.
function moved(key, places, at) {
  const last = places.length - 1;
  const page = Math.max(1, Math.round(last / 10));
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
  if (!(key in steps) || last < 0) return undefined;
  if (at === null) return places[key === "End" || key === "ArrowLeft" ? last : 0];
  const here = places.indexOf(nearest(places, at));
  return places[Math.min(Math.max(here + steps[key], 0), last)];
}
