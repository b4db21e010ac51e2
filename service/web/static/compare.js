// One comparison, or two side by side: curves, and words and tables that follow the runs while they train.
import { showCurves } from "./curves.js";
import { fetchPage, morph } from "./dom.js";
import { follow, paced } from "./live.js";
import { comparisonSource } from "./sources.js";

const SPACING_MS = 1000;
const sources = JSON.parse(document.getElementById("compared").dataset.comparisons);
const listeners = [];
showCurves(document.getElementById("curves"), sources.map(comparisonSource), {
  subscribe: (hear) => listeners.push(hear),
});

// The words and tables of the newest page. What somebody points at stays where it is: arms keep their order.
const refreshSoon = paced(SPACING_MS, async () => {
  const page = await fetchPage(location.href);
  for (const old of document.querySelectorAll("[data-live]")) {
    const wanted = page.getElementById(old.id);
    if (wanted) morph(old, wanted);
  }
});

// A page has one stream: that of the first comparison whose runs have not ended.
function followFrom(place) {
  const running = sources.findIndex((source, i) => i >= place && !source.ended);
  if (running < 0) return;
  let known = null;
  const tell = (name, data) => listeners.forEach((hear) => hear(name, data));
  follow(() => `${sources[running].url}/events`, {
    comparison(data) {
      tell("comparison", data);
      showProgress(running + 1, data.progress);
      const { percent, ...counts } = data.progress;
      if (known !== null && known !== JSON.stringify(counts)) refreshSoon();
      known = JSON.stringify(counts);
    },
    done(data) {
      tell("done", data);
      refreshSoon();
      sources[running].ended = true;
      setTimeout(() => followFrom(running + 1)); // once this stream is done
    },
  });
}

function showProgress(place, { percent }) {
  const shown = document.getElementById(`progress-${place}`);
  const bar = shown.querySelector("progress");
  if (!bar) return;
  bar.value = percent;
  shown.querySelector("[data-percent]").textContent = percent;
}

followFrom(0);
