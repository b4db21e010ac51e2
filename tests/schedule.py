"""Which test files share a process, and which of them start first."""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling
from xdist.workermanage import WorkerController

SHARED_SERVICE = (
    "tests/test_crash.py",
    "tests/test_stopping.py",
    "tests/test_main_job.py",
    "tests/test_generated_clients.py",
    "tests/test_papers.py",
    "tests/test_research.py",
    "tests/test_docs.py",
    "tests/test_events.py",
    "tests/test_triton_client.py",
)
PAGES = "tests/web"
"""One unit, so that one browser is started."""
ARMS = ("tests/test_bands.py", "tests/models/test_train.py", "tests/api/comparisons/test_summary.py")

# The longest first, so that all processes end at about the same time. Other files are units of their own.
WAITING_UNITS = (
    (PAGES,),
    SHARED_SERVICE,
    ("tests/test_cluster.py",),
    ("tests/test_failpoints.py",),
    ("tests/test_compose.py",),
    ("tests/test_network.py",),
    ("tests/test_poison.py",),
    ("tests/work/test_local_engine.py",),
    ("tests/test_starting.py",),
    ("tests/test_logs.py",),
    ("tests/test_operations.py",),
    ("tests/test_load.py",),
    ("tests/test_pooler.py",),
    ("tests/test_folders.py",),
    ("tests/api/predictions/test_processes.py",),
    ("tests/test_disk_full.py",),
    ("tests/test_idempotent_retries.py",),
    ("tests/test_apis.py",),
    ("tests/test_keys.py",),
    ("tests/test_proxies.py",),
    ("tests/test_supervisor.py",),
    ("tests/api/predictions/test_overload.py",),
    ("tests/store/test_races.py",),
)
"""They start services or a browser, which wait most of the time, but not for ever."""
BUSY_UNITS = (
    ARMS,
    ("tests/test_queue_simulated.py",),
    ("tests/api/test_openapi.py",),
    ("tests/api/test_schemathesis.py",),
    ("tests/serving/test_exports.py",),
    ("tests/api/comparisons/test_reports.py",),
    ("tests/test_memory.py",),
    ("tests/test_commands.py",),
    ("tests/analysis/test_plots.py",),
    ("tests/work/test_task.py",),
    ("tests/api/inference/test_protocol.py",),
    ("tests/work/test_certificates.py",),
)
UNITS = (*WAITING_UNITS, *BUSY_UNITS)
RANKS = {path: rank for rank, unit in enumerate(UNITS) for path in unit}
NICENESS = 5


def fills(process: str) -> bool:
    """Whether a test process is one more than there are cores, to use them while the others wait."""
    return int(process.removeprefix("gw")) >= (os.cpu_count() or 1)


def give_way() -> None:
    """Let this process, if it only fills, use a core when the services of the others leave it."""
    if fills(os.environ.get("PYTEST_XDIST_WORKER", "gw0")):
        os.nice(NICENESS)


def only_schedules(config: pytest.Config) -> bool:
    """Return whether this process runs no test itself, but sends them to others."""
    alone = config.getoption("dist") == "no" or config.getoption("collectonly")
    return not alone and not hasattr(config, "workerinput")


def unit_of(nodeid: str) -> str:
    """Return the unit of a test: its first file, or the folder of the pages."""
    path = nodeid.partition("::")[0]
    if path.startswith(f"{PAGES}/"):
        return PAGES
    return UNITS[RANKS[path]][0] if path in RANKS else path


def place(unit: str, process: str) -> tuple[bool, int]:
    """Return what the units are sorted by when a process chooses its next one."""
    rank = RANKS.get(unit, len(UNITS))
    return fills(process) and rank < len(WAITING_UNITS), rank


class UnitScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist ships no types
    """Send each unit to one process, as a whole; one that fills has those that wait last.

    So no more services run at once than there are cores.

    xdist's own groups need the test ids to carry the group's name, which pytest 9.2 does not let it write.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = min(self.workqueue, key=lambda scope: place(scope, node.gateway.id))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return UnitScheduling(config, log)
