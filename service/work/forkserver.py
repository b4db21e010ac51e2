"""Signals and logs of the process that workers are forked from; only that process imports this, as the last.

A signal to all processes of a service must not end it, or the dispatcher would take its workers for dead.
A worker has its logs in our format from its first line.
"""

import os
import signal

from service.logs import configure_logs
from service.settings import Settings


def _may_be_ended() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=_may_be_ended)
configure_logs(Settings())
