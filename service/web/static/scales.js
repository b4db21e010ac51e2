// Axes and numbers of a chart: scales, ticks that never round, smoothing. No DOM.

const STEPS = [1, 2, 5, 10];
const MOST_POWERS = 6;
const [LEAST, MOST] = [1e-4, 1e6]; // sizes between which a number has no power of ten, as in analysis/figures.py
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 10 });

// A function from values to pixels, with its inverse; null for a value that the scale cannot show.
export function scale([low, high], [from, to], log = false) {
  const place = log ? Math.log : Number;
  const first = place(low);
  const ratio = (to - from) / (place(high) - first || 1);
  const toPixel = (value) => from + (place(value) - first) * ratio;
  const back = (pixel) => first + (pixel - from) / ratio;
  return Object.assign(toPixel, {
    shows: log ? (value) => Number.isFinite(value) && value > 0 : Number.isFinite,
    invert: log ? (pixel) => Math.exp(back(pixel)) : back,
  });
}

// Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them, and the step between them.
export function linearTicks([low, high], count, least = 0) {
  const raw = (high - low) / Math.max(count, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(STEPS.map((each) => each * power).find((each) => each >= raw / 1.4), least);
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    values.push(Number((k * step).toPrecision(12)));
  }
  return { values, step };
}

// Ticks at 1, 2 and 5 times powers of ten, or at powers only; a range below a decade has linear ones.
export function logTicks([low, high], count) {
  const decades = Math.log10(high / low);
  if (decades < 1) return linearTicks([low, high], count);
  const every = Math.max(1, Math.ceil(decades / MOST_POWERS));
  const factors = decades <= 2.5 ? [1, 2, 5] : [1];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    if (power % every) continue;
    for (const factor of factors) values.push(Number(`${factor}e${power}`));
  }
  return { values: values.filter((value) => value >= low * 0.999 && value <= high * 1.001), step: null };
}

// A tick with all its digits: 0.925 is never 0.92 or 0.93.
export function tickLabel(value, step, unit) {
  if (value !== 0 && (Math.abs(value) >= MOST || (step ?? Math.abs(value)) < LEAST)) {
    return withPower(Number(value.toPrecision(10)));
  }
  if (step === null) return whole.format(value);
  const text = value.toFixed(Math.min(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), 10));
  return unit === "fraction" ? text : whole.format(Number(text));
}

const withPower = (value, decimals) => value.toExponential(decimals).replace("+", "");

// A value as people read it: a fraction with two decimals more than this, others with as many digits.
export function exact(value, unit, decimals = 2) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (unit === "step") return whole.format(value);
  if (unit === "fraction") return value.toFixed(decimals + 2);
  const size = Math.abs(value);
  if (size >= MOST || (size && size < LEAST)) return withPower(value, 2) + (unit === "seconds" ? " s" : "");
  const digits = decimals + 2;
  const text = size >= 1e-3 && size < 1e4 ? value.toPrecision(digits) : String(Number(value.toPrecision(digits)));
  return unit === "seconds" ? `${Number(text)} s` : text;
}

// The exponential moving average without its bias towards zero; null stays null and changes nothing.
export function smooth(values, weight) {
  let sum = 0;
  let bias = 1;
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    sum = weight * sum + (1 - weight) * value;
    bias *= weight;
    return sum / (1 - bias);
  });
}

// The lowest and the highest of some values, among those that an axis can show.
export function extremes(values, start, end, log, [low, high] = [Infinity, -Infinity]) {
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// The range of an axis that shows these extremes: with a margin, inside bounds unless they are not, never empty.
export function withMargin([low, high], log, [floor, ceiling] = [-Infinity, Infinity]) {
  if (log) return low === high ? [low / 2, high * 2] : [low / 1.1, high * 1.1];
  const margin = 0.04 * (high - low) || Math.abs(high) * 0.1 || 1;
  return [Math.max(low - margin, Math.min(floor, low)), Math.min(high + margin, Math.max(ceiling, high))];
}

// The index of the last of ascending numbers that is not above x; -1 if none is.
export function lastUpTo(numbers, x) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// The one of ascending numbers that is nearest to x.
export function nearest(numbers, x) {
  const before = lastUpTo(numbers, x);
  if (before < 0) return numbers[0];
  const after = numbers[before + 1] ?? Infinity;
  return x - numbers[before] <= after - x ? numbers[before] : after;
}
