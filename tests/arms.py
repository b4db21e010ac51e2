"""All arms of norm and init with five seeds, trained once: those of the article by the service's tasks."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest

from models.data.digits import Digits
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training
from service.work import task
from tests.api import planted, work
from tests.api.conftest import serving

SEEDS = range(5)
BANDS: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "accuracy.json").read_text())[
    "bands"
]
# A new norm has no band until somebody has measured it independently.
ARMS = [arm for norm, init in product(NORMS, (False, True)) if (arm := norm + "+init" * init) in BANDS]

Rows = list[dict[str, Any]]
Article = tuple[dict[str, Any], dict[str, Any], dict[tuple[str, int], Rows]]
TrainedArm = Callable[[str], list[Rows]]


@pytest.fixture(scope="session")
def article(
    migrated_sqlite: Path, mnist: Digits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Article]:
    """The article's comparison with five seeds, really trained; its answers and the rows of each run."""
    folder = tmp_path_factory.mktemp("article")
    path = folder / "normserve.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    with serving(f"sqlite:///{path}", folder) as client:
        asked = {"preset": "article", "seeds": len(SEEDS), "base": {"eval_every": 250}}
        created = client.post("/comparisons", json=asked).json()
        jobs = planted.waiting(client, created)
        for arm in created["arms"]:
            stack = [work.claimed(client, job["id"]) for job in jobs if job["arm"] == arm]
            task.train_claimed(work.database(client), lambda _: mnist, stack)
        summary = client.get(created["links"]["summary"]).json()
        rows = {
            (job["arm"], job["seed"]): client.get(f"/jobs/{job['id']}/metrics").json()["items"]
            for job in jobs
        }
        yield created, summary, rows


@pytest.fixture(scope="session")
def trained_arm(article: Article, mnist: Digits) -> TrainedArm:
    """The rows of an arm's five seeds, of all steps."""
    of_article = article[2]

    @cache
    def rows(arm: str) -> list[Rows]:
        if (arm, 0) in of_article:
            return [of_article[arm, seed] for seed in SEEDS]
        norm: Any = arm.removesuffix("+init")
        specs = [TrainSpec(norm=norm, init="+" in arm, seed=seed, eval_every=1000) for seed in SEEDS]
        spans = list(chain.from_iterable(Training([Run(spec) for spec in specs], mnist).spans()))
        return [[row._asdict() for span in spans if span.run == seed for row in span.rows] for seed in SEEDS]

    return rows
