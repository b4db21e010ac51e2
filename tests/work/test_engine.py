"""The engine, for real: it keeps the workers it was asked for."""

import os
import subprocess
import sys
from pathlib import Path

LOSE_A_WORKER = """
import os
from service.work.engine import Engine
from service.work.entry import train_cohort
from tests.process import until

engine = Engine(1, train_cohort)
engine.slots()
[first] = engine.workers()
[(name, nanny)] = engine.cluster.workers.items()
engine.cluster.sync(nanny.close)
del engine.cluster.workers[name]
until(lambda: not engine.workers(), "the worker to be gone")
engine.slots()
until(lambda: engine.workers() not in ([], [first]), "another worker")
print("another worker")
engine.kill()
os._exit(0)
"""


def test_a_worker_that_the_cluster_gave_up_is_started_anew(mnist_cache: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NORMSERVE_DATA_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", LOSE_A_WORKER], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "another worker\n")
