"""A process of its own that trains random specs as a worker does, and prints what memory each took.

python -m tests.peak_memory DATABASE_URL CACHE_DIR SEED COUNT MOST_FLOPS

A spec of which a step takes more floating point operations than MOST_FLOPS takes too long for a test.
"""

import ctypes
import gc
import json
import math
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.data.digits import Digits, load
from models.specs import span_lengths
from models.specs.estimate import step_work
from models.specs.facts import NORMS
from models.specs.nets import NETS
from models.specs.spec import TrainSpec
from models.training import loop
from service.store import jobs
from service.store.database import Database
from service.work import task
from tests.runs import evaluated_less


def random_fields(rng: random.Random) -> dict[str, Any]:
    net = rng.choice(list(NETS))
    facts = NETS[net]
    own: dict[str, dict[str, Any]] = {
        "dense": {},
        "conv": {"kernel_size": rng.choice([1, 3, 5, 7]), "stride": rng.choice([1, 2])},
        "lstm": {"sequence": rng.choice(["permuted", "rows"])},
    }
    return own[net] | {
        "net": net,
        "norm": rng.choice(list(NORMS)),
        "init": rng.random() < 0.5,
        "n_hidden": rng.randint(1, facts.most_hidden),
        "n_units": 8 * int(2 ** rng.uniform(0, math.log2(facts.most_units / 8))),
        "batch_size": int(2 ** rng.uniform(0, 12)),
        "optimizer": rng.choice(["sgd", "momentum", "adam"]),
        "activation": rng.choice(["relu", "tanh", "sigmoid"]) if facts.has_activation else "relu",
        "telemetry": rng.random() < 0.2,
    }


def random_spec(rng: random.Random) -> TrainSpec | None:
    """A random spec, or None if it is refused."""
    try:
        return TrainSpec(**random_fields(rng), steps=6, eval_every=4, checkpoint_every=3)
    except ValidationError:
        return None


def peak_bytes(database: Database, digits: Digits, spec: TrainSpec) -> int:
    """Train a job in spans as short as can be; answer how far the memory of this process grew."""
    with database.writing() as session:
        key = jobs.submit(session, spec, None, {}, datetime.now(UTC)).key
        jobs.set_submission(session, [key], "token")
    claimed = task.claim(database, [key], "token")
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # from here on, the peak is that of this job
    before, of_files = memory("VmRSS"), memory("RssFile")
    task.train_claimed(database, lambda _: digits, claimed)
    # Pages of libraries come and go as the kernel likes.
    return memory("VmHWM") - before - max(0, memory("RssFile") - of_files)


def memory(name: str) -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024


def main(url: str, cache: str, seed: str, count: str, most_flops: str) -> None:
    rng = random.Random(int(seed))
    loop.prepare_thread()
    span_lengths.FIRST_SPAN_SECONDS = span_lengths.LONGEST_SPAN_SECONDS = 1e-9
    span_lengths.SPAN_TO_STORING = 0
    database, digits = Database(url), evaluated_less(load("mnist", Path(cache)))
    for net in NETS:  # what libraries load and keep for their first run is not of the runs
        peak_bytes(database, digits, TrainSpec(net=net, n_units=8, groups=8, steps=6))
    found = 0
    while found < int(count):
        spec = random_spec(rng)
        if spec and step_work(spec).flops < float(most_flops):
            found += 1
            peak = peak_bytes(database, digits, spec)
            sys.stdout.write(json.dumps([peak, spec.run_bytes(), spec.model_dump()]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
