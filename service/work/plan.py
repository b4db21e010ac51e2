"""Which queued jobs are trained next, and which of them together: a pure function."""

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

MOST_RUNS = 8
MOST_BYTES = 512 * 2**20
"""The most memory that the runs of a cohort take together."""


class Queued(Protocol):
    """What a plan needs to know of a job."""

    @property
    def key(self) -> int:
        """The order of arrival."""

    @property
    def shape(self) -> str | None:
        """A digest of what the runs of a cohort share; None where the run must be alone."""

    @property
    def run_bytes(self) -> int | None:
        """The most memory that the run takes; None where that is not known."""

    @property
    def step(self) -> int:
        """The step to resume from."""

    @property
    def deaths_without_progress(self) -> int:
        """How many workers in a row died with it."""


Job = TypeVar("Job", bound=Queued)


def plan(queued: Sequence[Job], slots: int, room: int) -> list[list[Job]]:
    """Choose at most `room` cohorts; the jobs that have waited longest go first.

    A cohort is the oldest job and the next ones of its shape. Its size is a share of all that waits, so
    that idle slots are filled before runs are stacked, and the last cohorts are small and end together.
    A job that has killed workers is alone, so that it harms no other.
    """
    waiting = sorted(queued, key=lambda job: job.key)
    cohorts: list[list[Job]] = []
    while waiting and len(cohorts) < room:
        group, most_runs = _group(waiting[0]), _most_runs(waiting[0])
        share = -(-len(waiting) // (2 * slots))
        cohort = [job for job in waiting if _group(job) == group][: min(share, most_runs)]
        cohorts.append(cohort)
        chosen = {job.key for job in cohort}
        waiting = [job for job in waiting if job.key not in chosen]
    return cohorts


def _group(job: Queued) -> Hashable:
    """Return what the jobs of one cohort share; a job that must be alone shares it with none."""
    alone = job.shape is None or job.deaths_without_progress
    return job.key if alone else (job.shape, job.step)


def _most_runs(job: Queued) -> int:
    fitting = MOST_BYTES // job.run_bytes if job.run_bytes else 1
    return max(1, min(MOST_RUNS, fitting))
