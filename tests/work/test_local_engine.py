"""The engine, for real: it keeps the workers it was asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.service  # by scripts of their own

ONE_WORKER = """
import os, psutil
from service.work.local_engine import LocalEngine
from service.work.entry import train_cohort
from tests.process import kill, until

engine = LocalEngine(1, train_cohort)
[first], [(_, pid)] = engine.workers(), engine._pids()
server = psutil.Process(pid).parent()
print("server:", server.num_threads(), server.net_connections("inet"))
# As floats, the data set has 220 MB.
print("shared:", psutil.Process(pid).memory_full_info().uss < 200 * 2**20)
server.terminate()
kill(psutil.Process(pid))
[second] = until(lambda: engine.workers() not in ([], [first]) and engine.workers(), "another worker")
print("same server:", [psutil.Process(pid).parent() == server for _, pid in engine._pids()])

[(name, nanny)] = engine.cluster.workers.items()
engine.cluster.sync(nanny.close)
del engine.cluster.workers[name]
until(lambda: not engine.workers(), "the worker to be gone")
engine.start_missing_workers()
until(lambda: engine.workers() not in ([], [second]), "another worker")
print("given up: another worker")
engine.kill()
os._exit(0)
"""

FAIL_TO_START = """
import os, signal
from service.logs import configure_logs
from service.settings import Settings
from service.work.local_engine import LocalEngine
from service.work.entry import train_cohort
from tests.process import until

configure_logs(Settings())  # not among what is said here
engine = LocalEngine(1, train_cohort)
[nanny] = engine.cluster.workers.values()
nanny.process.worker_kwargs["local_directory"] = "/dev/null"  # its next worker has no room for its files
os.kill(nanny.process.pid, signal.SIGKILL)
until(lambda: nanny.status.name in ("closed", "failed"), "the nanny to give up")
until(lambda: not engine.workers(), "its worker to be gone")
engine.start_missing_workers()
until(engine.workers, "another worker")
print("another worker")
engine.kill()
os._exit(0)
"""

TWO_WORKERS = """
import os, resource, signal, time
from service.work.dask_client import holders
from service.work.local_engine import LocalEngine
from tests.process import until

NUMBERS = 2**21

def task(keys, submission):
    if submission != "allocate":
        return time.sleep(keys[0])  # it is busy for so long
    import torch
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        torch.ones(NUMBERS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

engine = LocalEngine(2, task)
pages = 100 * 4 * NUMBERS // resource.getpagesize()
print("kept:", engine.submit([0], "allocate").result() < pages / 10)
until(lambda: not engine.cluster.scheduler.tasks, "the task to be forgotten")
print("spans:", engine.cluster.scheduler.extensions["spans"].spans)

longest = engine.submit([1000], "busy")
busy = until(lambda: holders(engine.client, "busy"), "a worker to be busy")
[idle] = [pid for address, pid in engine._pids() if address not in busy]
os.kill(idle, signal.SIGKILL)
until(lambda: len(engine.workers()) == 1, "the idle worker to be gone")
until(engine.submit([0], "next").done, "the next task to end")
print("free: the busy worker kept nobody waiting")
engine.kill()
os._exit(0)
"""

TAKE_TOO_MUCH = """
import os, resource, time
limit = 3 * 2**29
resource.setrlimit(resource.RLIMIT_RSS, (limit, limit))  # Dask reads it when imported; Linux does not heed it
from service.work.local_engine import LocalEngine
from tests.process import until

def task(keys, submission):
    held = []
    while keys[0] and len(held) < 256:
        held.append(b"x" * 2**23)
        time.sleep(0.01)  # the nanny looks ten times a second
    os.abort()

engine = LocalEngine(1, task)
for deed in (1, 0):
    future = engine.submit([deed], str(deed))
    until(future.done, "the worker to be gone")
    print(future.status, engine.exceeded_memory(future))
engine.kill()
os._exit(0)
"""


def run(script: str, folder: Path) -> tuple[int, str]:
    """Run a script of its own process; answer its exit code and what it said."""
    environment = {**os.environ, "NORMSERVE_DATA_DIR": str(folder)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return said(ONE_WORKER, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return said(TWO_WORKERS, tmp_path_factory.mktemp("two"))


def said(script: str, folder: Path) -> dict[str, str]:
    """Run a script of several parts; return what it said of each."""
    code, output = run(script, folder)
    assert code == 0
    return dict(line.split(": ", 1) for line in output.splitlines())


def test_workers_share_the_data_set_of_a_process_without_threads_that_may_not_be_asked_to_end(
    one_worker: dict[str, str],
) -> None:
    found = [one_worker[part] for part in ("server", "shared", "same server")]

    assert found == ["1 []", "True", "[True]"]


def test_a_worker_that_the_cluster_gave_up_is_started_anew(one_worker: dict[str, str]) -> None:
    assert one_worker["given up"] == "another worker"


def test_a_worker_keeps_the_memory_of_a_step_for_the_next(two_workers: dict[str, str]) -> None:
    assert two_workers["kept"] == "True"


def test_the_scheduler_keeps_nothing_of_a_task_that_has_ended(two_workers: dict[str, str]) -> None:
    assert two_workers["spans"] == "{}"


def test_a_task_waits_for_a_free_worker_not_behind_a_busy_one(two_workers: dict[str, str]) -> None:
    assert two_workers["free"] == "the busy worker kept nobody waiting"


def test_a_worker_that_could_not_be_started_is_started_later(tmp_path: Path) -> None:
    assert run(FAIL_TO_START, tmp_path) == (0, "another worker\n")


def test_a_worker_that_took_too_much_memory_is_told_from_one_that_crashed(tmp_path: Path) -> None:
    assert run(TAKE_TOO_MUCH, tmp_path) == (0, "error True\nerror False\n")
