"""What we ask of Dask beyond its documentation."""

from pathlib import Path

import pytest

from tests.work.test_local_engine import run

pytestmark = pytest.mark.slow

WAIT_FOR_A_WORKER = """
import os, time
import dask
from distributed import Client, LocalCluster
from service.work.dask_client import submit
from service.work.dask_settings import SETTINGS
from tests.process import until

dask.config.set(SETTINGS)
one = {"n_workers": 1, "threads_per_worker": 1, "processes": False}
cluster = LocalCluster(**one, host="127.0.0.1", dashboard_address=None, security=True)
client = Client(cluster)
tasks = cluster.scheduler.tasks
futures = [submit(client, lambda keys, token: time.sleep(1000), [1], token) for token in ("busy", "waiting")]
until(lambda: len(tasks) == 2 and "released" not in {task.state for task in tasks.values()}, "a decision")
print([task.state for task in tasks.values()], flush=True)
os._exit(0)
"""


def test_the_scheduler_keeps_tasks_that_have_the_private_argument_in_its_queue(tmp_path: Path) -> None:
    assert run(WAIT_FOR_A_WORKER, tmp_path) == (0, "['processing', 'queued']\n")
