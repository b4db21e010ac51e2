"""Signals of the process that workers are forked from; only that process imports this, as the last module.

A signal to all processes of a service must not end it, or the dispatcher would take its workers for dead.
"""

import os
import signal


def _may_be_ended() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=_may_be_ended)
