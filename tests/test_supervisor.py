"""What the supervisor of a machine does when the machine has nothing to give."""

import subprocess
import time

import pytest

from service.supervisor import Supervisor


def test_a_process_that_cannot_be_started_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    supervisor = Supervisor(["api"])
    [child] = supervisor.children

    supervisor._tend(child)

    assert (child.process, child.failures) == (None, 1)
    assert child.next_start > time.monotonic()
