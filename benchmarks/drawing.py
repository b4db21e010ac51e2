"""How soon five nets say what they see after a movement of the pen, in Chromium.

The api runs in this process on SQLite; a figure is the time from a key that moves the pen to the new result
in the document, with all that is between them: picture, request, intake, five nets, response.
"""

import logging
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from playwright.sync_api import Browser, Page

from models.data.digits import Digits, load
from models.training.loop import prepare_thread
from service.store import schema
from service.store.database import Database
from tests.api import planted, work
from tests.runs import evaluated_less
from tests.web.browser import chromium
from tests.web.looks import DESK
from tests.web.serving import Server

MOVES, WARMING = 100, 10
BASE = {"steps": 300, "eval_every": 300, "checkpoint_every": 300}
AIM = "p50 60 ms"
MOVE = """\
async (moves) => {
  const canvas = document.getElementById("paper");
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  const image = document.getElementById("seen-image");
  canvas.focus();
  press(" ");
  const found = [];
  for (let n = 0; n < moves; n++) {
    const shown = new Promise((done) => {
      const observer = new MutationObserver(() => (observer.disconnect(), done()));
      observer.observe(image, { attributeFilter: ["src"] });
    });
    const began = performance.now();
    canvas.dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowDown" }));
    press(n % 20 < 10 ? "ArrowDown" : "ArrowUp");
    await shown;
    found.push(performance.now() - began);
  }
  return found;
}"""


def train(server: Server, digits: Digits) -> None:
    """Train the five arms of the article for 300 steps."""
    body = {"preset": "article", "seeds": 1, "base": BASE}
    for job in planted.waiting(server, server.post("/comparisons", json=body).json()):
        work.train(server, digits, job["id"])


def milliseconds(page: Page, address: str) -> Sequence[float]:
    """Return how long each movement of the pen took, the first ones left out."""
    page.goto(f"{address}/ui/draw")
    page.wait_for_function("() => !document.getElementById('paper').closest('[hidden]')")
    found: list[float] = page.evaluate(MOVE, MOVES + WARMING)
    return found[WARMING:]


@contextmanager
def trained_server() -> Iterator[Server]:
    """Yield an api in this process, with a new database in which five arms are trained."""
    prepare_thread()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/normserve.db"
        database = Database(url)
        schema.upgrade(database.engine)
        database.close()
        with Server(url, Path(folder)) as server:
            train(server, evaluated_less(load("mnist", Path(folder) / "cache")))
            yield server


def measure(browser: Browser, server: Server) -> None:
    page = browser.new_page(viewport=DESK)  # type: ignore[arg-type] # a TypedDict of two ints
    found = milliseconds(page, server.address)
    page.close()
    p50, p95 = statistics.median(found), statistics.quantiles(found, n=20)[-1]
    print(f"prediction while drawing: p50 {p50:.0f} ms, p95 {p95:.0f} ms (aim {AIM})", flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with chromium() as started, trained_server() as trained:
        measure(started, trained)
