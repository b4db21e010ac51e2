"""Which queued jobs are trained next, and which of them together: a pure function."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from models.specs.spec import TrainSpec

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
    A job that has killed workers is alone: it harms no neighbour. So is one whose spec this release would
    refuse: the task that claims it will fail it.
    """
    waiting = sorted(queued, key=lambda job: job.key)
    specs = {job.key: _known(job.spec) for job in waiting}
    shapes = {job.key: _shape(job, specs[job.key]) for job in waiting}
    cohorts: list[list[Job]] = []
    while waiting and len(cohorts) < room:
        oldest = waiting[0]
        share = -(-len(waiting) // (2 * slots))
        alike = [job for job in waiting if shapes[job.key] == shapes[oldest.key]]
        cohort = alike[: min(share, _most_runs(specs[oldest.key]))]
        cohorts.append(cohort)
        chosen = {job.key for job in cohort}
        waiting = [job for job in waiting if job.key not in chosen]
    return cohorts


def _known(stored: dict[str, Any]) -> TrainSpec | None:
    """Answer a stored spec, or None where this release would refuse it."""
    try:
        return TrainSpec.model_validate(stored)
    except ValueError:
        return None


def _shape(job: Queued, spec: TrainSpec | None) -> tuple[str, int, int]:
    """Name what jobs of one cohort share; a job that must be alone shares it with none."""
    if spec is None:
        return "", job.step, job.key
    alone = job.deaths_without_progress or not spec.stacks()
    return spec.shape(), job.step, job.key if alone else 0


def _most_runs(spec: TrainSpec | None) -> int:
    fitting = MOST_BYTES // spec.run_bytes() if spec else 1
    return max(1, min(MOST_RUNS, fitting))
