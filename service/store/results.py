"""Results of a comparison's runs, read for all of them at once. Nothing here commits."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, LargeBinary, Text, func, select, update
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from service.store.builds import Build
from service.store.tables import Checkpoint, Comparison, Job, Metric


class RunRow(NamedTuple):
    """One run: what it trains, and its newest metrics."""

    key: int
    arm: str
    seed: int
    spec: dict[str, Any]
    status: str
    failure: dict[str, Any] | None
    latest: dict[str, Any] | None
    id: str
    """The public id of its job."""


class RunHistory(NamedTuple):
    """One figure of one run: the steps that have a value, in any order, and the values."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


Packing = tuple[list[ColumnElement[Any]], Callable[..., RunHistory]]
"""Columns that hold a whole history, and a function that unpacks them."""


def runs(session: Session, comparison: Comparison) -> list[RunRow]:
    """Return the runs of a comparison in their order."""
    columns = (Job.key, Job.arm, Job.seed, Job.spec, Job.status, Job.failure, Job.latest, Job.id)
    query = select(*columns).where(Job.comparison_key == comparison.key).order_by(Job.key)
    return [RunRow(*row) for row in session.execute(query)]


def with_checkpoint(session: Session, keys: Collection[int]) -> set[int]:
    """Return the keys of those of these jobs that have a checkpoint."""
    query = select(Checkpoint.job_key).where(Checkpoint.job_key.in_(keys)).distinct()
    return set(session.scalars(query))


def newest_with_checkpoint(session: Session, limit: int) -> Sequence[Comparison]:
    """Return the comparisons of which a run has a checkpoint, at most `limit`, the newest first."""
    ours = select(Checkpoint.job_key).join(Job).where(Job.comparison_key == Comparison.key)
    newest = select(Comparison).where(ours.exists()).order_by(Comparison.key.desc())
    return session.scalars(newest.limit(limit)).all()


def histories(
    session: Session, keys: Collection[int], figure: str, steps: Sequence[int] | None = None
) -> dict[int, RunHistory]:
    """Return one figure of many runs, by key, of all steps or of these.

    Values that are not finite are left out.
    The database packs each history into one row: reading a thousand of them takes a fraction of the time
    of reading a million rows.
    """
    if figure not in MetricRow._fields:
        raise ValueError(f"there is no figure {figure}; choose one of {', '.join(MetricRow._fields)}")
    column = getattr(Metric, figure)
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    packed, unpack = _as_bytes(column) if on_postgresql else _as_json(column)
    query = select(Metric.job_key, *packed).where(Metric.job_key.in_(keys), column.is_not(None))
    if steps is not None:
        query = query.where(Metric.step.in_(steps))
    found = {key: unpack(*row) for key, *row in session.execute(query.group_by(Metric.job_key))}
    return {key: found.get(key, RunHistory(np.empty(0, np.int64), np.empty(0))) for key in keys}


def _as_bytes(column: Any) -> Packing:
    """Pack a history in PostgreSQL's binary format: an int and a double per step, with no text to parse."""
    row = func.int4send(Metric.step).op("||")(func.float8send(column))
    layout = np.dtype([("step", ">i4"), ("value", ">f8")])

    def unpack(packed: bytes) -> RunHistory:
        rows = np.frombuffer(packed, layout)
        return RunHistory(rows["step"].astype(np.int64), rows["value"].astype(np.float64))

    return [func.string_agg(row, b"", type_=LargeBinary)], unpack


def _as_json(column: Any) -> Packing:
    """Pack a history as two JSON lists: the only packing of SQLite that keeps every bit."""
    # Runs of equal specs have the same text of steps.
    steps_of = cache(lambda packed: np.array(orjson.loads(packed), np.int64))

    def unpack(steps: str, values: str) -> RunHistory:
        return RunHistory(steps_of(steps), np.array(orjson.loads(values), np.float64))

    return [func.json_group_array(Metric.step, type_=Text), func.json_group_array(column, type_=Text)], unpack


def builds(session: Session, comparison: Comparison) -> list[Build]:
    """Return what the runs of a comparison were trained with, each build once."""
    columns = (Job.torch_version, Job.cpu_capability, Job.kernels_sha256)
    ours = select(*columns).where(Job.comparison_key == comparison.key, Job.torch_version.is_not(None))
    rows = session.execute(ours.distinct().order_by(*columns))
    return [Build(str(torch), str(cpu), kernels) for torch, cpu, kernels in rows]


def stored_summaries(session: Session, comparison: Comparison, revision: int) -> str | None:
    """Return the summaries that were stored for this state of the jobs, or None."""
    query = select(Comparison.summaries).where(
        Comparison.key == comparison.key, Comparison.summaries_revision == revision
    )
    return session.scalar(query)


def keep_summaries(session: Session, comparison: Comparison, revision: int, text: str) -> None:
    """Store summaries of this state of the jobs; any change of a job makes them stale."""
    values = {"summaries": text, "summaries_revision": revision}
    session.execute(update(Comparison).where(Comparison.key == comparison.key).values(**values))
