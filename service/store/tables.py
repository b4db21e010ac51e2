"""The tables: what each column means and who changes it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
ENDED = ("succeeded", "failed", "cancelled")

Document = JSON().with_variant(JSONB(), "postgresql")
Double = Float(53).with_variant(DOUBLE_PRECISION(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, on databases that keep the zone and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The root of all tables; constraints are named alike on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Comparison(Base):
    """Arms that are compared; its jobs are its own and go with it."""

    __tablename__ = "comparisons"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; never shown."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    spec: Mapped[dict[str, Any]] = mapped_column(Document)
    """What was asked for, extensions included."""
    label: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    summaries: Mapped[str | None] = mapped_column(Text, deferred=True)
    """JSON of what a release computed once all jobs had ended, a summary a learning rate; another release
    does not use it."""
    summaries_revision: Mapped[int | None] = mapped_column(BigInteger)
    """The sum of the jobs' revisions that it was computed from: any change of a job makes it stale."""


class Job(Base):
    """A run that was asked for. Only store/jobs.py writes `status`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(_one_of("status", STATUSES), name="status"),
        CheckConstraint("step >= 0 AND step <= steps", name="step"),
        Index(None, "status", "key"),
        Index(None, "comparison_key"),
        {"sqlite_autoincrement": True},  # a key is never given twice, not even after a delete
    )

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; never shown."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    spec: Mapped[dict[str, Any]] = mapped_column(Document)
    norm: Mapped[str] = mapped_column(String(40))
    init: Mapped[bool]
    seed: Mapped[int] = mapped_column(BigInteger)
    steps: Mapped[int]
    label: Mapped[str | None] = mapped_column(String(80))
    tags: Mapped[dict[str, str]] = mapped_column(Document)
    comparison_key: Mapped[int | None] = mapped_column(ForeignKey("comparisons.key"))
    arm: Mapped[str | None] = mapped_column(String(80))
    """The arm of the comparison that it is a run of."""
    shape: Mapped[str | None] = mapped_column(String(64))
    """sha256 of what the spec shares with the runs it may be stacked with; NULL where it is trained alone."""
    run_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """The most memory that the run takes, by the estimate of the release that stored the job."""

    status: Mapped[str] = mapped_column(String(12))
    status_reason: Mapped[str | None] = mapped_column(String(200))
    submission: Mapped[str | None] = mapped_column(String(40))
    """The token of the newest hand-over to the engine: only the task that carries it may claim the job."""
    attempt: Mapped[int]
    """How often the job was claimed; every write of a task is fenced by it."""
    step: Mapped[int]
    """The last step whose row is stored."""
    deaths_without_progress: Mapped[int]
    stop_requested: Mapped[bool]
    """Asks the task to hand the job back; read at its next span."""
    revision: Mapped[int]
    """Grows with every change that a reader can see."""

    latest: Mapped[dict[str, Any] | None] = mapped_column(Document)
    best: Mapped[dict[str, Any] | None] = mapped_column(Document)
    test_accuracy: Mapped[float | None] = mapped_column(Double)
    """That of the newest evaluation, to sort by."""
    failure: Mapped[dict[str, Any] | None] = mapped_column(Document)
    init_report: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    warnings: Mapped[list[dict[str, str]] | None] = mapped_column(Document)
    """What a reader of the results should know: of the spec, and of attempts that were unlike each other."""
    init_digest: Mapped[str | None] = mapped_column(String(64))
    data_digest: Mapped[str | None] = mapped_column(String(64))
    data_sha256: Mapped[str | None] = mapped_column(String(64))
    weights_sha256: Mapped[str | None] = mapped_column(String(64))
    torch_version: Mapped[str | None] = mapped_column(String(40))
    cpu_capability: Mapped[str | None] = mapped_column(String(40))

    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    moved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the newest span was stored."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class _OfJob:
    """What belongs to a job and goes with it."""

    job_key: Mapped[int] = mapped_column(
        Integer, ForeignKey("jobs.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class JobTransition(_OfJob, Base):
    """One change of a job's status."""

    __tablename__ = "job_transitions"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(200))
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Metric(_OfJob, Base):
    """One row of a history. A figure that was not finite is NULL and named in `non_finite`."""

    __tablename__ = "metrics"
    __table_args__ = ({"sqlite_with_rowid": False},)

    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    train_loss: Mapped[float | None] = mapped_column(Double)
    train_accuracy: Mapped[float | None] = mapped_column(Double)
    validation_loss: Mapped[float | None] = mapped_column(Double)
    validation_accuracy: Mapped[float | None] = mapped_column(Double)
    test_loss: Mapped[float | None] = mapped_column(Double)
    test_accuracy: Mapped[float | None] = mapped_column(Double)
    elapsed_seconds: Mapped[float] = mapped_column(Double)
    non_finite: Mapped[str | None] = mapped_column(String(200))
    """Names of figures, separated by spaces."""


class Telemetry(_OfJob, Base):
    """How each layer did at an evaluation."""

    __tablename__ = "telemetry"

    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    layers: Mapped[list[dict[str, Any]]] = mapped_column(Document)


class ResumeState(_OfJob, Base):
    """What the next attempt goes on from: one row from the first span to the end, replaced by every span."""

    __tablename__ = "resume_states"

    step: Mapped[int]
    state: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))


class Checkpoint(_OfJob, Base):
    """Weights and running statistics after a step, kept, listed and served."""

    __tablename__ = "checkpoints"

    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    weights: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    validation_accuracy: Mapped[float | None] = mapped_column(Double)
    validation_loss: Mapped[float | None] = mapped_column(Double)
    test_accuracy: Mapped[float | None] = mapped_column(Double)
    test_loss: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKey(Base):
    """What was answered to a POST that carried a key, stored with what it created."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    operation: Mapped[str] = mapped_column(String(40), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int]
    location: Mapped[str] = mapped_column(String(200))
    answer: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Machine(Base):
    """What a machine takes for each kind of work of a training step; see models/specs/estimate.py."""

    __tablename__ = "machines"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    """That of the host; never shown."""
    torch_version: Mapped[str] = mapped_column(String(40))
    cpu_capability: Mapped[str] = mapped_column(String(40))
    seconds_per_call: Mapped[float] = mapped_column(Double)
    seconds_per_flop: Mapped[float] = mapped_column(Double)
    seconds_per_byte: Mapped[float] = mapped_column(Double)
    measured_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Worker(Base):
    """A worker that the dispatcher sees; it alone writes here, every 2 seconds."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Its address in the engine; never shown."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it was seen first."""
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Counter(Base):
    """How often a guard fired."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[int]
