"""Comparisons from the database as clients see them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC

from sqlalchemy.orm import Session

from service.api.comparisons.result_schemas import SummaryWarning
from service.api.comparisons.schemas import ComparisonDetails, ComparisonProgress, ComparisonWithProof
from service.comparing import fairness
from service.comparing.warnings import spec_warnings
from service.links import link
from service.store import comparisons
from service.store.comparisons import Progress, arms_of, rates_of
from service.store.tables import STATUSES, Comparison

RESULTS = ("runs", "summary", "curves", "robustness", "plot.svg", "plot.png", "report.html", "report.md")


def view_with_proof(session: Session, comparison: Comparison) -> ComparisonWithProof:
    """Show a comparison with its proof of fairness."""
    [shown] = view_comparisons(session, [comparison])
    proof = fairness.judge(comparisons.runs_with_digests(session, comparison))
    return ComparisonWithProof.model_validate({**shown.model_dump(), "fairness": asdict(proof)})


def view_comparisons(session: Session, found: Sequence[Comparison]) -> list[ComparisonDetails]:
    """Show comparisons, each with its progress."""
    progress = comparisons.progress(session, [comparison.key for comparison in found])
    return [_view(comparison, progress[comparison.key]) for comparison in found]


def view_progress(progress: Progress) -> ComparisonProgress:
    """Show how far a comparison is."""
    return ComparisonProgress(
        **{status: progress.statuses[status] for status in STATUSES},
        percent=round(100 * progress.steps_done / max(1, progress.steps), 1),
    )


def _view(comparison: Comparison, progress: Progress) -> ComparisonDetails:
    spec, here = comparison.spec, link(f"/comparisons/{comparison.id}")
    return ComparisonDetails(
        id=comparison.id,
        label=comparison.label,
        priority=comparison.priority,
        status="ended" if progress.ended() else "running",
        created_at=comparison.created_at.astimezone(UTC),
        preset=spec["preset"],
        arms=arms_of(comparison),
        baseline=spec["baseline"],
        seeds=spec["seeds"],
        learning_rates=rates_of(comparison),
        jobs=progress.statuses.total(),
        progress=view_progress(progress),
        warnings=[SummaryWarning(**warning) for warning in spec_warnings(comparison)],
        links={
            "self": here,
            "jobs": link(f"/jobs?comparison_id={comparison.id}"),
            "events": f"{here}/events",
            "cancel": f"{here}/cancel",
            **{name: f"{here}/{name}" for name in RESULTS},
        },
    )
