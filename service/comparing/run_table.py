"""The runs of a comparison as a table: one row per run, with the metrics of its last step."""

from typing import Any

from sqlalchemy.orm import Session

from service.comparing.runs import ended_at_chance, has_diverged
from service.comparing.state import State
from service.store import comparisons, results
from service.store.results import RunRow

METRICS = (
    *("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *("test_loss", "test_accuracy"),
)


def read_run_table(session: Session, state: State) -> list[dict[str, Any]]:
    """Return a row per run, sorted by arm in the comparison's order, learning rate and seed."""
    places = {arm: place for place, arm in enumerate(comparisons.arms_of(state.comparison))}
    rows = [_row(run) for run in results.runs(session, state.comparison)]
    return sorted(rows, key=lambda row: (places[row["arm"]], row["learning_rate"], row["seed"]))


def _row(run: RunRow) -> dict[str, Any]:
    latest = run.latest or {}
    return {
        "arm": run.arm,
        "seed": run.seed,
        "learning_rate": run.spec["learning_rate"],
        "job_id": run.id,
        "status": run.status,
        "step": latest.get("step", 0),
        **{name: latest.get(name) for name in METRICS},
        "train_seconds": latest.get("elapsed_seconds"),
        "diverged": has_diverged(run),
        "at_chance": ended_at_chance(run),
        "failure_code": run.failure["code"] if run.failure else None,
    }
