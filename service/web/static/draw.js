// The page Draw: one picture through all nets while it is drawn, one request at a time, the newest wins.
import { fetchPage, morph } from "./dom.js";
import { Paper } from "./paper.js";

const FILES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"];
const MOST_BYTES = 2_500_000;
const LONGEST_SIDE = 1152;
const STALE_MS = 2000;
const TIMEOUT_MS = 15_000;
const AGAIN_MS = 2000;

const at = (id) => document.getElementById(id);
const page = at("draw");
let rows = rowsOf(page);
const classes = [...page.querySelectorAll("th[data-class]")].map((cell) => cell.dataset.class);
const invitation = at("message").textContent;
const paper = new Paper(at("paper"), at("cursor"), changed, (words) => (at("pen").textContent = words));

function rowsOf(within) {
  return [...within.querySelectorAll("tr[data-net]")];
}

let inFlight = null;
let sentAt = 0;
let isDue = false;
let timer = 0;

function changed(isOther) {
  if (isOther) inFlight?.abort();
  if (isOther || paper.stroke) noteImage(null);
  at("invite").hidden = !paper.isEmpty;
  at("undo").disabled = !paper.canUndo;
  at("clear").disabled = paper.isEmpty;
  if (paper.isEmpty) reset();
  else predict();
}

async function predict() {
  isDue = true;
  clearTimeout(timer);
  if (inFlight && performance.now() - sentAt > STALE_MS) inFlight.abort();
  if (inFlight) return;
  while (isDue) {
    isDue = false;
    await ask();
  }
}

async function ask() {
  const asked = (inFlight = new AbortController());
  sentAt = performance.now();
  try {
    const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const body = JSON.stringify({ images: [{ png: paper.url() }], return: ["image"], top_k: 1 });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(page.dataset.predict, { method: "POST", headers, body, signal });
    const found = await response.json();
    if (asked.signal.aborted) return;
    if (response.ok) show(found);
    else refuse(found);
  } catch {
    if (!asked.signal.aborted) lose();
  } finally {
    inFlight = null;
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? later() : paper.isEmpty || predict()), AGAIN_MS);
}

function reset() {
  isDue = false;
  clearTimeout(timer);
  blank(invitation);
}

function blank(words, trouble = "") {
  rows.forEach((row) => showNet(row, null));
  showIntake(null, []);
  at("digit").textContent = "?";
  page.classList.remove("is-found", "is-lost");
  at("message").textContent = words;
  at("trouble").textContent = trouble;
  speak(trouble);
}

function refuse(problem) {
  blank(problem.title, problem.detail);
  if (problem.code === "model-not-ready" || problem.code === "overloaded") later();
}

function lose() {
  page.classList.add("is-lost");
  at("trouble").textContent = "The server does not respond; trying again.";
  speak(at("trouble").textContent);
  later();
}

function show(found) {
  const outcomes = found.arms ?? found.models;
  if (outcomes.length > rows.length) addRows();
  const [vote] = found.votes;
  page.classList.remove("is-lost");
  page.classList.add("is-found");
  at("digit").textContent = classes[vote.digit];
  const verdict = named(vote.message);
  at("message").textContent = verdict;
  at("trouble").textContent = "";
  for (const row of rows) {
    showNet(row, outcomes.find((each) => (each.arm ?? each.asked) === row.dataset.net), vote.digit);
  }
  const predictions = outcomes.flatMap((each) => each.predictions);
  // What is said against the digit of another net is not said against the one that is shown.
  const agreed = predictions.filter((each) => each.digit === vote.digit);
  showIntake(predictions[0], agreed.flatMap((each) => each.warnings.map((warning) => warning.code)));
  speak([verdict, ...at("warnings").querySelectorAll("li:not([hidden])")].map(text).join(" "));
  showMissing(outcomes.filter((each) => each.missing));
  if (outcomes.some((each) => each.missing || each.model.from_running_job)) later();
}

// An arm that has a net by now is no longer among those that cannot read a digit.
function showMissing(missing) {
  const place = at("missing");
  if (!place) return;
  const arms = missing.map((each) => each.arm);
  for (const line of place.querySelectorAll("li")) if (!arms.includes(line.dataset.net)) line.remove();
  const left = place.querySelectorAll("li").length;
  place.querySelector("p").textContent = `${left} of ${rows.length} arms cannot read a digit:`;
  place.hidden = !left;
}

// An arm that was added to the comparison gets a row, and what it sees is shown with the next response.
async function addRows() {
  const wanted = await fetchPage(location.href).catch(() => null);
  if (!wanted || rowsOf(wanted).length <= rows.length) return;
  morph(page.querySelector(".nets tbody"), wanted.querySelector(".nets tbody"));
  rows = rowsOf(page);
  if (!paper.isEmpty) predict();
}

// The API calls a job by its id, and the page by its name.
function named(words) {
  return rows.reduce((named, row) => named.replaceAll(row.dataset.net, () => nameOf(row)), words);
}

function nameOf(row) {
  return row.querySelector(".name").textContent;
}

function text(each) {
  return each.textContent?.trim() ?? each;
}

// Screen readers hear the result of whole strokes only.
function speak(words) {
  if (!paper.stroke && at("spoken").textContent !== words) at("spoken").textContent = words;
}

function showNet(row, outcome, winner) {
  const prediction = outcome?.predictions[0];
  row.classList.toggle("is-other", Boolean(prediction) && prediction.digit !== winner);
  row.querySelector(".seen-digit").textContent = prediction ? classes[prediction.digit] : "–";
  row.querySelector(".confidence").textContent = prediction ? percent(prediction.confidence) : "";
  if (outcome) row.querySelector(".note").textContent = noteOf(outcome);
  row.querySelectorAll("td[data-digit]").forEach((cell, digit) => {
    const probability = prediction?.probabilities[digit] ?? 0;
    cell.querySelector("rect").setAttribute("height", probability);
    cell.querySelector(".unseen").textContent = prediction ? percent(probability) : "–";
    cell.classList.toggle("is-top", digit === prediction?.digit);
  });
}

function noteOf({ model, missing }) {
  if (missing) return missing.message;
  return model.from_running_job ? `still in training, at step ${model.step}` : `step ${model.step}`;
}

function percent(fraction) {
  return `${(100 * fraction).toFixed(1)} %`;
}

function showIntake(prediction, warnings) {
  const intake = prediction?.intake;
  at("seen").hidden = !intake;
  for (const item of at("warnings").children) item.hidden = !warnings.includes(item.dataset.code);
  if (!intake) return;
  const done = [intake.polarity, ...(intake.applied.length ? intake.applied : ["unchanged"])];
  for (const item of at("applied").children) item.hidden = !done.includes(item.dataset.code);
  at("seen-image").src = canvasOf(prediction.image.map((row) => row.map((value) => 255 * value))).toDataURL();
}

function canvasOf(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = pixels.length;
  const bytes = pixels.flat().flatMap((value) => [value, value, value, 255]);
  canvas.getContext("2d").putImageData(new ImageData(Uint8ClampedArray.from(bytes), pixels.length), 0, 0);
  return canvas;
}

// Pictures: a file that is chosen, pasted or dropped, or a digit of the test images.
async function take(file) {
  if (!file) return;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap) paper.show(bitmap, isFit(file) ? await urlOf(file) : shrunk(bitmap));
  else blank("That is no picture", "This browser cannot read the file as a picture.");
}

function isFit(file) {
  return FILES.includes(file.type) && file.size <= MOST_BYTES;
}

function urlOf(file) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(file);
  });
}

function shrunk(bitmap) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, side * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.92);
}

async function takeImage(index) {
  const response = await fetch(`${page.dataset.images}${index}`).catch(() => null);
  const image = await response?.json().catch(() => null);
  if (!image) return blank("There is no test digit", "The server does not respond; try again.");
  if (!response.ok) return blank(image.title, image.detail);
  const canvas = canvasOf(image.pixels);
  paper.show(canvas, canvas.toDataURL("image/png"));
  noteImage(image);
}

function noteImage(image) {
  const address = new URL(location);
  if (image) address.searchParams.set("test_image", image.index);
  else address.searchParams.delete("test_image");
  if (address.href !== location.href) history.replaceState(null, "", address);
  at("label").textContent = image ? `Test digit ${image.index} is labelled ${image.class_name}.` : "";
  if (image) at("index").value = image.index;
}

function goOn(event) {
  const link = event.target.closest("a[data-go]");
  if (!link) return;
  event.preventDefault();
  const count = Number(at("index").max) + 1;
  const index = link.dataset.go === "next" ? Number(at("index").value) + 1 : Math.floor(Math.random() * count);
  takeImage(index % count);
}

at("undo").addEventListener("click", () => paper.undo());
at("clear").addEventListener("click", () => paper.clear());
at("file").addEventListener("change", (event) => take(event.target.files[0]));
at("images").addEventListener("click", goOn);
at("images").addEventListener("submit", (event) => {
  event.preventDefault();
  takeImage(at("index").value);
});
document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
addEventListener("online", () => paper.isEmpty || predict());

for (const part of page.querySelectorAll("[data-with-script]")) part.hidden = part.dataset.withScript === "hide";
const shown = new URL(location).searchParams.get("test_image");
if (shown) takeImage(shown);
