"""What the runs of a comparison came to, read for all of them at once. Nothing here commits."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Text, cast, func, select, update
from sqlalchemy.orm import Session

from models.spec import MetricRow
from service.store.tables import Comparison, Job, Metric


class RunRow(NamedTuple):
    """One run: what it trains, and how it did at its newest step."""

    key: int
    arm: str
    seed: int
    spec: dict[str, Any]
    status: str
    failure: dict[str, Any] | None
    latest: dict[str, Any] | None


class History(NamedTuple):
    """One figure of one run, where it has one: steps, not in order, and the values after them."""

    steps: list[int]
    values: list[float]


def runs(session: Session, comparison: Comparison) -> list[RunRow]:
    """Read the runs of a comparison in their order."""
    columns = (Job.key, Job.arm, Job.seed, Job.spec, Job.status, Job.failure, Job.latest)
    query = select(*columns).where(Job.comparison_key == comparison.key).order_by(Job.key)
    return [RunRow(*row) for row in session.execute(query)]


def histories(
    session: Session, keys: Collection[int], figure: str, steps: Sequence[int] | None = None
) -> dict[int, History]:
    """Read one figure of many runs by their keys, of all steps or of these; not finite ones are left out.

    The database packs each history into one row: a thousand of them are read in a fraction of the time
    that a million rows take.
    """
    if figure not in MetricRow._fields:
        raise ValueError(f"there is no figure {figure}")
    column = getattr(Metric, figure)
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    pack = func.json_agg if on_postgresql else func.json_group_array
    query = select(Metric.job_key, cast(pack(Metric.step), Text), cast(pack(column), Text))
    query = query.where(Metric.job_key.in_(keys), column.is_not(None)).group_by(Metric.job_key)
    if steps is not None:
        query = query.where(Metric.step.in_(steps))
    found = {key: History(*map(orjson.loads, packed)) for key, *packed in session.execute(query)}
    return {key: found.get(key, History([], [])) for key in keys}


def builds(session: Session, comparison: Comparison) -> list[tuple[str, str]]:
    """Name the torch versions and CPU capabilities that runs were trained with."""
    columns = (Job.torch_version, Job.cpu_capability)
    ours = select(*columns).where(Job.comparison_key == comparison.key, Job.torch_version.is_not(None))
    return [(str(torch), str(cpu)) for torch, cpu in session.execute(ours.distinct().order_by(*columns))]


def stored_summaries(session: Session, comparison: Comparison, revision: int) -> str | None:
    """Answer the text that was kept for this state of the jobs, or None."""
    query = select(Comparison.summaries).where(
        Comparison.key == comparison.key, Comparison.summaries_revision == revision
    )
    return session.scalar(query)


def keep_summaries(session: Session, comparison: Comparison, revision: int, text: str) -> None:
    """Keep what was computed from this state of the jobs; it is not found again once that has changed."""
    values = {"summaries": text, "summaries_revision": revision}
    session.execute(update(Comparison).where(Comparison.key == comparison.key).values(**values))
