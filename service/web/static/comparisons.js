// The list of comparisons: its rows follow the runs that are trained.
import { fetchPage, morph } from "./dom.js";
import { follow, paced } from "./live.js";

const SPACING_MS = 1000;
const list = document.getElementById("comparisons");

const refresh = paced(SPACING_MS, async () => {
  morph(list, (await fetchPage(location.href)).getElementById("comparisons"));
});

// Runs that start, move and end change the list of the running jobs.
follow(() => list.dataset.events, { jobs: refresh });
