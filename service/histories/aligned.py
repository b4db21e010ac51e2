"""The histories of many jobs on common steps, one by one or as groups of jobs."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.curves import Floats, Spread, evenly_spaced, spread
from service.comparing.runs import align_to_steps
from service.comparing.specs import with_defaults
from service.store import results
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import Job

MOST_JOBS = 200
MOST_FIGURES = 200_000
"""Most values of all jobs and metrics together: more jobs or metrics, fewer points."""


@dataclass(frozen=True)
class JobGroup:
    """The jobs whose specs agree in some fields."""

    fields: dict[str, Any]
    jobs: list[int]
    """Places in the list of jobs."""


@dataclass(frozen=True)
class Aligned:
    """One metric of many jobs."""

    key: str
    steps: NDArray[np.int64]
    """Shape [n_steps]."""
    n_in: int
    """Steps of the window at which a job has the metric, of which these are some."""
    values: Floats
    """Shape [n_jobs, n_steps]; NaN where a job has no finite value."""

    def over(self, group: JobGroup) -> Spread:
        """Return mean and spread over the jobs of a group."""
        return spread(self.values[group.jobs])


def read_aligned(
    database: Database, jobs: Sequence[Job], window: Window, keys: Sequence[str], max_points: int
) -> Generator[int, None, list[Aligned]]:
    """Read metrics of jobs on common steps, in slices for a pool.

    The steps are chosen by what the specs say, before anything is read: at most `max_points` of the union of
    steps at which a job has the metric, evenly spaced, with the first and the last.
    """
    points = min(max_points, MOST_FIGURES // max(len(jobs) * len(keys), 1))
    found = []
    for key in keys:
        union = _steps(jobs, key, window)
        steps = union[evenly_spaced(len(union), points)]
        with database.reading() as session:
            read = results.histories(session, [job.key for job in jobs], key, steps.tolist())
        values = [align_to_steps(read[job.key], steps) for job in jobs]
        found.append(Aligned(key, steps, len(union), np.array(values).reshape(len(jobs), len(steps))))
        yield len(jobs) * len(steps)
    return found


def group(jobs: Sequence[Job], fields: Sequence[str]) -> list[JobGroup]:
    """Group jobs by fields of their specs, in the order of the first job of each group."""
    found: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, job in enumerate(jobs):
        spec = with_defaults(job.spec)
        found[tuple(spec[field] for field in fields)].append(place)
    return [JobGroup(dict(zip(fields, values, strict=True)), places) for values, places in found.items()]


def _steps(jobs: Sequence[Job], key: str, window: Window) -> NDArray[np.int64]:
    """Return the steps of the window at which a job has this metric, if its value is finite."""
    last = min(window.end, max((job.step for job in jobs), default=0))
    has_it = np.zeros(last + 1, np.bool_)
    for job in jobs:
        spec, seen = with_defaults(job.spec), min(job.step, last)
        if key.startswith(("validation", "test")):
            for every in (spec["eval_every"], spec["checkpoint_every"], spec["steps"]):
                has_it[every : seen + 1 : every] = True
        else:
            has_it[1 : seen + 1] = True
    has_it[: window.start] = False
    return np.flatnonzero(has_it)
