"""Which queued jobs are trained next, and which of them together: a pure function."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from models.spec import TrainSpec

MOST_RUNS = 8
MOST_BYTES = 512 * 2**20
"""What the runs of a cohort may keep in memory together."""


class Queued(Protocol):
    """What a plan needs to know of a job."""

    @property
    def key(self) -> int:
        """The order of arrival."""

    @property
    def spec(self) -> dict[str, Any]:
        """What to train."""

    @property
    def step(self) -> int:
        """The step to go on from."""

    @property
    def deaths_without_progress(self) -> int:
        """How many workers in a row died with it."""


Job = TypeVar("Job", bound=Queued)


def plan(queued: Sequence[Job], slots: int, room: int) -> list[list[Job]]:
    """Choose at most `room` cohorts, those first that have waited longest.

    A cohort is the oldest job and the next ones of its shape. Its size is a share of all that waits, so
    that idle slots are filled before runs are stacked, and the last cohorts are small and end together.
    A job that has killed workers is alone: it harms no neighbour.
    """
    waiting = sorted(queued, key=lambda job: job.key)
    shapes = {job.key: _shape(job) for job in waiting}
    cohorts: list[list[Job]] = []
    while waiting and len(cohorts) < room:
        oldest = waiting[0]
        share = -(-len(waiting) // (2 * slots))
        alike = [job for job in waiting if shapes[job.key] == shapes[oldest.key]]
        cohort = alike[: min(share, _most_runs(oldest))]
        cohorts.append(cohort)
        chosen = {job.key for job in cohort}
        waiting = [job for job in waiting if job.key not in chosen]
    return cohorts


def _shape(job: Queued) -> tuple[str, int, int]:
    """Name what jobs of one cohort share; a job that must be alone shares it with none."""
    spec = TrainSpec.model_validate(job.spec)
    alone = job.deaths_without_progress or not spec.stacks()
    return spec.shape(), job.step, job.key if alone else 0


def _most_runs(job: Queued) -> int:
    fitting = MOST_BYTES // TrainSpec.model_validate(job.spec).run_bytes()
    return max(1, min(MOST_RUNS, fitting))
