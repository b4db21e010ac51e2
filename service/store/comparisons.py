"""Comparisons: created, extended and cancelled together with all their jobs.

Nothing here commits.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, load_only

from models.specs.comparison import ComparisonSpec, PlannedRun
from service.errors import ComparisonNotFound
from service.store import jobs, public_ids
from service.store.lists import Page, find, newest_first
from service.store.tables import ENDED, Comparison, Job
from service.store.turns import add_owner
from service.store.waiting import UNLIMITED, Submitter, refuse_if_full

LIST = "comparisons"


class Progress(NamedTuple):
    """How many jobs are in each status, and how many of all their steps are stored."""

    statuses: Counter[str]
    steps_done: int
    steps: int
    revision: int
    """Grows with every change of a job, and with every job."""

    def ended(self) -> bool:
        """Return whether every job has ended."""
        return self.statuses.total() == sum(self.statuses[status] for status in ENDED)


class Again(NamedTuple):
    """Arms and seeds whose runs are run again where they have no result."""

    arms: Collection[str] = ()
    seeds: Collection[int] = ()


NOTHING = Again()

Run = tuple[str | None, int, float]
"""What distinguishes the runs of a comparison: arm, seed and learning rate."""


def create(
    session: Session,
    spec: ComparisonSpec,
    label: str | None,
    now: datetime,
    priority: int = 0,
    submitter: Submitter = UNLIMITED,
) -> Comparison:
    """Add a comparison and all its jobs; they exist once the caller commits.

    Raises QueueFull if the queue has no room for them.
    """
    comparison = Comparison(
        id=public_ids.new(public_ids.COMPARISON),
        spec=_document(spec),
        label=label,
        priority=priority,
        created_by_key=submitter.key_number or None,
        created_at=now,
    )
    session.add(comparison)
    session.flush()
    _submit(session, comparison, list(spec.runs()), now, submitter)
    return comparison


def get(session: Session, public_id: str, to_change: bool = False) -> Comparison:
    """Return a comparison by its public id; raise ComparisonNotFound.

    With `to_change`, it is locked, so that nobody deletes it while jobs are added.
    """
    query = select(Comparison).where(Comparison.id == public_id)
    found = find(session, public_ids.COMPARISON, public_id, query, to_change)
    if found is None:
        raise ComparisonNotFound("there is no comparison with this id; ids of comparisons begin with cmp_")
    return found


def arms_of(comparison: Comparison) -> list[str]:
    """Return the names of a stored comparison's arms, in their order."""
    return [arm["name"] for arm in comparison.spec["arms"]]


def rates_of(comparison: Comparison) -> list[float]:
    """Return the learning rates that every arm is trained with; empty where each spec has its own."""
    rates: list[float] = comparison.spec["learning_rates"]
    return rates


def list_page(session: Session, limit: int, cursor: str | None) -> Page[Comparison]:
    """Return a page of comparisons, the newest first; raise InvalidCursor."""
    return newest_first(select(Comparison), Comparison.key, LIST, limit, cursor, session.scalars)


def extend(
    session: Session,
    comparison: Comparison,
    spec: ComparisonSpec,
    now: datetime,
    again: Again = NOTHING,
    submitter: Submitter = UNLIMITED,
) -> int:
    """Give a comparison this spec, which has all its runs and more; return how many jobs were added.

    A run of `again` that was cancelled, or failed otherwise than by diverging, gets a new job. Its old job
    becomes a single job, so that every reader of the comparison finds the new one only.
    Raises QueueFull if the queue has no room for them.
    """
    known = _known_runs(session, comparison)
    holes = {
        run: job
        for run, job in known.items()
        if _is_hole(job) and (run[0] in again.arms or run[1] in again.seeds)
    }
    kept = known.keys() - holes.keys()
    added = [run for run in spec.runs() if _identity(run) not in kept]
    comparison.spec = {**_document(spec), "preset": comparison.spec["preset"]}
    detached = update(Job).where(Job.key.in_([job.key for job in holes.values()]))
    session.execute(detached.values(comparison_key=None, revision=Job.revision + 1))
    # The sum of the revisions grows, so that what was kept for the old runs is never used for the new ones.
    revisions = {run: job.revision + 1 for run, job in holes.items()}
    return _submit(session, comparison, added, now, submitter, revisions)


def progress(session: Session, keys: Collection[int]) -> dict[int, Progress]:
    """Count the jobs of these comparisons by their status, and their steps."""
    found = {key: Progress(Counter(), 0, 0, 0) for key in keys}
    query = select(
        Job.comparison_key.label("key"),
        Job.status,
        func.count().label("n_jobs"),
        func.sum(Job.step).label("steps_done"),
        func.sum(Job.steps).label("steps"),
        func.sum(Job.revision).label("revision"),
    )
    query = query.where(Job.comparison_key.in_(keys)).group_by(Job.comparison_key, Job.status)
    for row in session.execute(query):
        earlier = found[row.key]
        found[row.key] = Progress(
            statuses=earlier.statuses + Counter({row.status: row.n_jobs}),
            steps_done=earlier.steps_done + int(row.steps_done),
            steps=earlier.steps + int(row.steps),
            revision=earlier.revision + int(row.revision),
        )
    return found


def open_ids(session: Session, ids: Collection[str]) -> set[str]:
    """Return the ids of these comparisons that have a job which has not ended."""
    unended = select(Job.key).where(Job.comparison_key == Comparison.key, Job.status.not_in(ENDED))
    return set(session.scalars(select(Comparison.id).where(Comparison.id.in_(ids), unended.exists())))


def runs_with_digests(session: Session, comparison: Comparison) -> Sequence[Job]:
    """Return every job, seed by seed, with its id, seed, spec and the digests of what it started from."""
    columns = (Job.key, Job.id, Job.seed, Job.spec, Job.init_digest, Job.data_digest)
    query = select(Job).options(load_only(*columns)).where(Job.comparison_key == comparison.key)
    return session.scalars(query.order_by(Job.seed, Job.key)).all()


def cancel(session: Session, comparison: Comparison, now: datetime) -> None:
    """Cancel every job of a comparison that has not ended; the others stay as they are."""
    jobs.cancel_all(session, Job.comparison_key == comparison.key, now)


def _submit(
    session: Session,
    comparison: Comparison,
    runs: Sequence[PlannedRun],
    now: datetime,
    submitter: Submitter,
    revisions: Mapping[Run, int] = MappingProxyType({}),
) -> int:
    refuse_if_full(session, len(runs), submitter)
    created = []
    for run in runs:
        job = jobs.new(run.spec, None, {}, now, comparison.priority)
        job.comparison_key, job.owner, job.arm = comparison.key, comparison.key, run.arm
        job.created_by_key = submitter.key_number or None
        job.revision = revisions.get(_identity(run), 1)
        created.append(job)
    if created:
        add_owner(session, comparison.key)
        jobs.submit_all(session, created, now)
    return len(created)


def _known_runs(session: Session, comparison: Comparison) -> dict[Run, Any]:
    columns = (Job.key, Job.arm, Job.seed, Job.spec, Job.status, Job.failure, Job.revision)
    rows = session.execute(select(*columns).where(Job.comparison_key == comparison.key))
    return {(row.arm, row.seed, row.spec["learning_rate"]): row for row in rows}


def _identity(run: PlannedRun) -> Run:
    return run.arm, run.spec.seed, run.spec.learning_rate


def _is_hole(job: Any) -> bool:
    """Return whether a run ended without a result; one that diverged has a result."""
    failed = job.status == "failed" and (job.failure or {}).get("code") != "diverged"
    return failed or job.status == "cancelled"


def _document(spec: ComparisonSpec) -> dict[str, Any]:
    """Return what is stored: every arm with its fields, so that a later release trains the same.

    The base is for arms that are added later.
    """
    return {
        "preset": spec.preset,
        "base": spec.base.model_dump(exclude_unset=True),
        "arms": [{"name": name, **fields} for name, fields in spec.arm_fields().items()],
        "seeds": spec.seeds,
        "learning_rates": spec.learning_rates,
        "baseline": spec.baseline or spec.arm_names()[0],
    }
