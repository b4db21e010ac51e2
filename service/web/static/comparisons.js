// The list of comparisons: its rows follow the runs that are trained.
import { fetchPage, morph } from "./dom.js";
import { follow, paced } from "./live.js";

const SPACING_MS = 1000;
const list = document.getElementById("comparisons");

const refresh = paced(SPACING_MS, async () => {
  morph(list, (await fetchPage(location.href)).getElementById("comparisons"));
});

// The oldest jobs that have not ended: a run that ends leaves this list, even one that nobody saw running.
follow(() => list.dataset.events, { jobs: refresh });
