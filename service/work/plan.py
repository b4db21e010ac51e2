"""Which queued jobs are trained next: a pure function."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Queued(Protocol):
    """What a plan needs to know of a job."""

    @property
    def key(self) -> int:
        """The order of arrival."""


Job = TypeVar("Job", bound=Queued)


def plan(queued: Sequence[Job], slots: int) -> list[list[Job]]:
    """Choose cohorts for idle slots, the jobs that have waited longest first, each job alone."""
    return [[job] for job in sorted(queued, key=lambda job: job.key)[:slots]]
