"""The process that workers are forked from; only that process imports this, as the last module.

A signal to all processes of a service must not end it, or the dispatcher would take its workers for dead.
Workers share what is in its memory: the usual data set, and logs in our format from their first line.
"""

import os
import signal
from contextlib import suppress

import torch

from models.data.originals import DatasetUnavailable
from service.logs import configure_logs
from service.settings import Settings
from service.work import worker


def _may_be_ended() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=_may_be_ended)
configure_logs(Settings())
torch.set_num_threads(1)  # threads do not survive a fork
with suppress(DatasetUnavailable):  # a worker says so when it needs the data set
    worker.digits("mnist")
