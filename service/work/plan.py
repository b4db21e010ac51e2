"""Which queued jobs are trained next, and which of them together: a pure function.

service/store/waiting.py selects the candidates in the same order.
"""

from collections.abc import Hashable, Mapping, Sequence
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
    def priority(self) -> int:
        """Higher ones go first."""

    @property
    def owner(self) -> int:
        """Who takes turns with others: a comparison, an API key, or all other single jobs."""

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


def plan(
    queued: Sequence[Job],
    slots: int,
    room: int,
    turns: Mapping[int, int] | None = None,
    n_waiting: int | None = None,
) -> list[list[Job]]:
    """Choose at most `room` cohorts: by priority, then owner by owner in turns, then by arrival.

    `turns` is when each owner was last served, by a number that grows; an owner that is not in it is served
    as at 0. The next one is the owner that was served least recently, and each cohort takes its owner's turn.
    A cohort is its owner's oldest job of the highest priority, and the next ones like it in owner, priority
    and shape. Its size is a share of all that waits (`n_waiting` jobs, by default these), so that idle slots
    are filled before runs are stacked, and the last cohorts are small and end together.
    A job that has killed workers is alone, so that it harms no other.
    """
    waiting = sorted(queued, key=lambda job: job.key)
    n_left = len(waiting) if n_waiting is None else n_waiting
    served = dict(turns or {})
    cohorts: list[list[Job]] = []
    while waiting and len(cohorts) < room:
        first = min(waiting, key=lambda job: (-job.priority, served.get(job.owner, 0), job.owner, job.key))
        most = min(-(-n_left // (2 * slots)), _most_runs(first))
        cohort = [job for job in waiting if _group(job) == _group(first)][:most]
        cohorts.append(cohort)
        served[first.owner] = max(served.values(), default=0) + 1
        chosen = {job.key for job in cohort}
        waiting = [job for job in waiting if job.key not in chosen]
        n_left -= len(cohort)
    return cohorts


def _group(job: Queued) -> Hashable:
    """Return what the jobs of one cohort share; a job that must be alone shares it with none."""
    alone = job.shape is None or job.deaths_without_progress
    return job.key if alone else (job.priority, job.owner, job.shape, job.step)


def _most_runs(job: Queued) -> int:
    fitting = MOST_BYTES // job.run_bytes if job.run_bytes else 1
    return max(1, min(MOST_RUNS, fitting))
