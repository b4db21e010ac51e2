"""A comparison as clients see it: how far it is, and the proof that its arms differ in nothing else."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from sqlalchemy.orm import Session

from models.specs.comparison import Preset
from service.api.job_view import Out
from service.store import comparisons
from service.store.comparisons import Progress, arms_of, rates_of
from service.store.tables import STATUSES, Comparison, Job

ComparisonId = Annotated[str, "the public id of a comparison"]
ANSWERS = ("summary", "curves", "robustness", "plot.svg", "plot.png", "report.html", "report.md")


class ComparisonProgressOut(Out):
    """How many jobs are where, and how much of all steps is done."""

    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    percent: float


class SeedOut(Out):
    """What the runs of one seed began with; a digest is known once its run has begun."""

    seed: int
    init_digests: list[str]
    """sha256 of the drawn weights: one for all arms of equal shape."""
    data_digests: list[str]
    """sha256 of the batch order: one for all arms of equal batches."""


class FairnessOut(Out):
    """The proof that arms differ in nothing but what they are."""

    complete: bool
    """Whether every run has begun."""
    fair: bool
    """Whether, as far as known, arms of equal shape start from equal weights, and those of equal batches
    see the same images in the same order."""
    seeds: list[SeedOut]


class ComparisonOut(Out):
    """A comparison, and how far it has come."""

    id: str
    label: str | None
    status: Literal["running", "ended"]
    created_at: datetime
    preset: Preset | None
    arms: list[str]
    baseline: str
    seeds: list[int]
    learning_rates: list[float]
    jobs: int
    progress: ComparisonProgressOut
    links: dict[str, str]


class ComparisonWithProof(ComparisonOut):
    """A comparison with its proof of fairness."""

    fairness: FairnessOut


class ComparisonList(Out):
    """A page of comparisons."""

    items: list[ComparisonOut]
    next_cursor: str | None


def with_proof(session: Session, comparison: Comparison) -> ComparisonWithProof:
    """Show a comparison with its proof of fairness."""
    [shown] = views(session, [comparison])
    return ComparisonWithProof(
        **shown.model_dump(), fairness=_fairness(comparisons.runs_with_digests(session, comparison))
    )


def views(session: Session, found: Sequence[Comparison]) -> list[ComparisonOut]:
    """Show comparisons, each with its progress."""
    progress = comparisons.progress(session, [comparison.key for comparison in found])
    return [_view(comparison, progress[comparison.key]) for comparison in found]


def _view(comparison: Comparison, progress: Progress) -> ComparisonOut:
    spec, here = comparison.spec, f"/comparisons/{comparison.id}"
    return ComparisonOut(
        id=comparison.id,
        label=comparison.label,
        status="ended" if progress.ended() else "running",
        created_at=comparison.created_at.astimezone(UTC),
        preset=spec["preset"],
        arms=arms_of(comparison),
        baseline=spec["baseline"],
        seeds=spec["seeds"],
        learning_rates=rates_of(comparison),
        jobs=progress.statuses.total(),
        progress=ComparisonProgressOut(
            **{status: progress.statuses[status] for status in STATUSES},
            percent=round(100 * progress.steps_done / max(1, progress.steps), 1),
        ),
        links={
            "self": here,
            "jobs": f"/jobs?comparison_id={comparison.id}",
            "cancel": f"{here}/cancel",
            **{name: f"{here}/{name}" for name in ANSWERS},
        },
    )


def _fairness(runs: Sequence[Job]) -> FairnessOut:
    starts, orders = defaultdict(set), defaultdict(set)
    by_seed: dict[int, list[Job]] = defaultdict(list)
    for run in (run for run in runs if run.init_digest and run.data_digest):
        spec = run.spec
        starts[run.seed, spec["n_hidden"], spec["n_units"]].add(run.init_digest)
        orders[run.seed, spec["batch_size"], spec["sampling"], spec["dataset"]].add(run.data_digest)
        by_seed[run.seed].append(run)
    return FairnessOut(
        complete=all(run.init_digest and run.data_digest for run in runs),
        fair=all(len(digests) == 1 for digests in (*starts.values(), *orders.values())),
        seeds=[
            SeedOut(
                seed=seed,
                init_digests=sorted({str(run.init_digest) for run in begun}),
                data_digests=sorted({str(run.data_digest) for run in begun}),
            )
            for seed, begun in sorted(by_seed.items())
        ],
    )
