"""Which test files share a process, and which of them start first."""

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
)
PAGES = "tests/web"
"""One unit, so that one browser is started."""
ARMS = ("tests/test_bands.py", "tests/models/test_train.py", "tests/api/comparisons/test_summary.py")

# The longest first, so that all processes end at about the same time. Other files are units of their own.
UNITS = (
    ARMS,
    SHARED_SERVICE,
    (PAGES,),
    ("tests/test_cluster.py",),
    ("tests/test_failpoints.py",),
    ("tests/work/test_task.py",),
    ("tests/test_operations.py",),
    ("tests/test_queue_simulated.py",),
    ("tests/analysis/test_plots.py",),
    ("tests/test_compose.py",),
    ("tests/test_network.py",),
    ("tests/work/test_local_engine.py",),
    ("tests/test_disk_full.py",),
    ("tests/test_memory.py",),
    ("tests/work/test_certificates.py",),
    ("tests/test_poison.py",),
    ("tests/test_load.py",),
    ("tests/test_starting.py",),
    ("tests/test_pooler.py",),
    ("tests/test_logs.py",),
    ("tests/store/test_races.py",),
    ("tests/test_idempotent_retries.py",),
)
RANKS = {path: rank for rank, unit in enumerate(UNITS) for path in unit}


class UnitScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist ships no types
    """Send each unit to one process, as a whole.

    xdist's own groups need the test ids to carry the group's name, which pytest 9.2 does not let it write.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(f"{PAGES}/"):
            return PAGES
        return UNITS[RANKS[path]][0] if path in RANKS else path

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = min(self.workqueue, key=lambda scope: RANKS.get(scope, len(UNITS)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return UnitScheduling(config, log)
