"""The time to store rows, resume states and checkpoints, relative to the time of training.

The task runs the article's job and a large one, alone and eight stacked, on a new SQLite file or on the
database of NORMSERVE_DATABASE_URL. The transactions and the serialisation are timed.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.data.digits import load
from models.specs.spec import TrainSpec
from models.training import loop
from service.store import jobs, schema
from service.store.database import Database
from service.work import task

SPECS = {
    "article, 1,000 steps": TrainSpec(norm="batch", init=True),
    "article, 10,000 steps": TrainSpec(norm="batch", init=True, steps=10_000),
    "1000-1000 units, adam": TrainSpec(norm="layer", n_hidden=2, n_units=1000, optimizer="adam", steps=300),
}


class Stopwatch:
    """The total seconds of all calls of the functions that it wraps."""

    seconds = 0.0

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = call(*arguments)
            self.seconds += time.perf_counter() - started
            return result

        return timed


def claimed(database: Database, spec: TrainSpec, runs: int) -> list[jobs.ClaimedJob]:
    now = datetime.now(UTC)
    with database.writing() as session:
        seeded = [spec.model_copy(update={"seed": seed}) for seed in range(runs)]
        keys = [jobs.submit(session, each, None, {}, now).key for each in seeded]
        jobs.set_submission(session, keys, "token")
    return task.claim(database, keys, "token")


def main() -> None:
    loop.prepare_thread()
    digits = load("mnist", Path(sys.argv[1] if len(sys.argv) > 1 else "data/datasets"))
    storing = Stopwatch()
    stores = ((task, "persist"), (loop, "dump_net"), (loop, "dump_resume_state"), (loop, "sha256"))
    for module, name in stores:
        setattr(module, name, storing.wrap(getattr(module, name)))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(os.environ.get("NORMSERVE_DATABASE_URL", f"sqlite:///{folder}/bench.db"))
        schema.upgrade(database.engine)
        for name, spec in SPECS.items():
            for runs in (1, 8):
                cohort = claimed(database, spec, runs)
                storing.seconds, started = 0.0, time.perf_counter()
                task.train_claimed(database, lambda _: digits, cohort)
                training = time.perf_counter() - started - storing.seconds
                share = storing.seconds / training
                print(f"{name}, {runs} stacked: {training:.2f} s of training, plus {share:.1%} to store it")


if __name__ == "__main__":
    main()
