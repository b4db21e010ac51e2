// The list of jobs: lines change in place, and new ones are put on top when nobody points at the list.
import { fetchPage, morph } from "./dom.js";
import { follow, paced } from "./live.js";

const SPACING_MS = 500;
let list = document.getElementById("lines");
const news = document.getElementById("news");
let held = false; // lines have come or gone while somebody points at the list

function address() {
  const query = new URLSearchParams(location.search);
  for (const name of ["clone", "learning_rate"]) query.delete(name); // of the form
  query.set("limit", list.dataset.limit);
  return `${list.dataset.events}?${query}`;
}

const refresh = paced(SPACING_MS, async () => update((await fetchPage(location.href)).getElementById("lines")));

function update(wanted) {
  if (!wanted) return;
  if (wanted.tagName !== list.tagName) {
    list.replaceWith(wanted);
    list = wanted;
    return;
  }
  const old = new Map([...list.children].map((line) => [line.dataset.key, line]));
  const arrived = [];
  for (const line of [...wanted.children]) {
    const before = old.get(line.dataset.key);
    if (!before) arrived.push(line);
    else {
      announce(before, line);
      morph(before, line);
    }
    old.delete(line.dataset.key);
  }
  held = list.matches(":hover, :focus-within") && arrived.length + old.size > 0;
  if (held) return;
  list.prepend(...arrived);
  for (const line of old.values()) line.remove();
}

function announce(before, after) {
  const [was, is] = [before, after].map((line) => line.dataset.status);
  if (was !== is) news.textContent = `${after.querySelector(".name").textContent} ${is}`;
}

const invitation = document.querySelector(".first");
if (invitation?.dataset.live === "yes") {
  // A form that was sent leads to its own job: loading this page again would cancel that.
  let isSent = false;
  document.addEventListener("submit", () => (isSent = true));
  const isThere = ({ items }) => items.length && !isSent && location.reload();
  follow(() => `${invitation.dataset.events}?limit=1`, { jobs: isThere });
}
if (list?.dataset.live === "yes") {
  follow(address, {
    jobs: refresh,
  });
  for (const event of ["pointerleave", "focusout"]) {
    list.parentElement.addEventListener(event, () => held && refresh());
  }
}
