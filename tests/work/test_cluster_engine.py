"""The client of a cluster whose scheduler is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.work.certificates import write_certificates
from tests.process import free_port

LOOK_IN_VAIN = """
import os, sys, threading
from pathlib import Path
import psutil
from service.work import cluster_engine
from tests.process import until

cluster_engine.CONNECT_SECONDS, cluster_engine.LOOK_SECONDS = 0.2, 0.01
used = []

class Counting(cluster_engine.ClusterEngine):
    def _look(self):
        found = super()._look()
        used.append((threading.active_count(), psutil.Process().num_fds()))
        return found

seen = Counting(sys.argv[1], Path(sys.argv[2]), lambda keys, submission: None)
until(lambda: len(used) > 12, "twelve looks")
print(seen.slots(), used[3] == used[12], file=sys.stderr)
os._exit(0)
"""


@pytest.mark.slow
def test_a_scheduler_that_is_away_for_long_costs_no_thread_and_no_file(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    command = [sys.executable, "-c", LOOK_IN_VAIN, f"tls://127.0.0.1:{free_port()}", str(tmp_path)]

    done = subprocess.run(command, env=dict(os.environ), stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "0 True\n")
