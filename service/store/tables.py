"""The tables: what each column means and who changes it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.store.columns import NAMES, Document, Double, Submitted, UtcDateTime, one_of

QUEUED = text("status = 'queued'")
STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
ENDED = ("succeeded", "failed", "cancelled")
NOT_EVALUATED = -1.0
"""The test accuracy of a job without an evaluation: the lowest of all."""
MIN_PRIORITY, MAX_PRIORITY = -10, 10


class Base(DeclarativeBase):
    """The base of all tables; constraints have the same names on both databases."""

    metadata = MetaData(naming_convention=NAMES)


def _marked(table: str) -> Index:
    """Index the rows that are marked as deleted, in the order in which they are swept."""
    marked = text("deleted_at IS NOT NULL")
    return Index(f"ix_{table}_marked", "key", sqlite_where=marked, postgresql_where=marked)


class Comparison(Submitted, Base):
    """Arms that are compared; its jobs are deleted with it."""

    __tablename__ = "comparisons"
    __table_args__ = (_marked("comparisons"), {"sqlite_autoincrement": True})

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    spec: Mapped[dict[str, Any]] = mapped_column(Document)
    """What was asked for, extensions included."""
    label: Mapped[str | None] = mapped_column(String(80))
    priority: Mapped[int] = mapped_column(server_default="0")
    """The priority of its jobs, of later ones too."""
    summaries: Mapped[str | None] = mapped_column(Text, deferred=True)
    """JSON of the summaries, one per learning rate, computed once all jobs had ended; only the release that
    computed them uses them."""
    summaries_revision: Mapped[int | None] = mapped_column(BigInteger)
    """The sum of the jobs' revisions then: any change of a job makes the summaries stale."""
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when no statement sees it; see marks.py."""


class Job(Submitted, Base):
    """A run that a client submitted. Only store/jobs.py writes `status`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("status", STATUSES), name="status"),
        CheckConstraint("step >= 0 AND step <= steps", name="step"),
        Index(None, "status", "key"),
        Index(None, "comparison_key"),
        *(Index(None, column, "key") for column in ("init", "label", "norm", "seed", "test_accuracy")),
        *(Index(None, column, "test_accuracy", "key") for column in ("init", "norm", "seed", "status")),
        _marked("jobs"),
        Index(
            "ix_jobs_turns",
            *("priority", "owner", "key", "submission"),
            sqlite_where=QUEUED,
            postgresql_where=QUEUED,
        ),
        Index("ix_jobs_queued_by_key", "created_by_key", sqlite_where=QUEUED, postgresql_where=QUEUED),
        {"sqlite_autoincrement": True},  # a key is never used twice, not even after a delete
    )

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it."""
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
    """The arm of its comparison; a run that was replaced keeps it."""
    priority: Mapped[int] = mapped_column(server_default="0")
    """Queued jobs of higher priority start first."""
    owner: Mapped[int] = mapped_column(server_default="0")
    """Whose turn a cohort of it takes, by a number; see turns.py."""
    shape: Mapped[str | None] = mapped_column(String(64))
    """sha256 of what the spec shares with the runs it may be stacked with; NULL where it is trained alone."""
    run_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """The most memory that the run takes, by the estimate of the release that stored the job."""

    status: Mapped[str] = mapped_column(String(12))
    status_reason: Mapped[str | None] = mapped_column(String(200))
    submission: Mapped[str | None] = mapped_column(String(40))
    """The token of the newest task for this job: only the task that has it may claim the job."""
    attempt: Mapped[int]
    """How often the job was claimed; guards every write of a task."""
    step: Mapped[int]
    """The last step whose metric row is stored."""
    resumed_step: Mapped[int | None]
    """The step that the newest attempt started from; NULL before the first."""
    attempt_seconds: Mapped[float | None] = mapped_column(Double)
    """How long the newest attempt had trained when its newest span was stored, by the clock on the wall:
    all runs of its stack, storing and pauses included. Its task measures it; NULL before its first span."""
    deaths_without_progress: Mapped[int]
    stop_requested: Mapped[bool]
    """Asks the task to hand the job back after its span."""
    revision: Mapped[int]
    """Grows with every change that a client can see."""

    latest: Mapped[dict[str, Any] | None] = mapped_column(Document)
    best: Mapped[dict[str, Any] | None] = mapped_column(Document)
    test_accuracy: Mapped[float] = mapped_column(Double, default=NOT_EVALUATED, nullable=True)
    """The test accuracy of the newest evaluation, for sorting; never NULL, which sorts differently."""
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Bytes of the weights of all its checkpoints."""
    failure: Mapped[dict[str, Any] | None] = mapped_column(Document)
    init_report: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    warnings: Mapped[list[dict[str, str]] | None] = mapped_column(Document)
    """What a reader of the results should know: about the spec, and about attempts with different kernels."""
    init_digest: Mapped[str | None] = mapped_column(String(64))
    data_digest: Mapped[str | None] = mapped_column(String(64))
    data_sha256: Mapped[str | None] = mapped_column(String(64))
    weights_sha256: Mapped[str | None] = mapped_column(String(64))
    torch_version: Mapped[str | None] = mapped_column(String(40))
    cpu_capability: Mapped[str | None] = mapped_column(String(40))
    kernels_sha256: Mapped[str | None] = mapped_column(String(64))
    """What the worker of the newest attempt computed from fixed numbers: this decides the bits of a run, and
    the two columns above only describe it. NULL if only older releases have trained the job."""

    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    moved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the newest span or heartbeat was stored."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when no statement sees it; see marks.py."""


class Turn(Base):
    """When an owner of jobs was last served. Only store/turns.py writes here."""

    __tablename__ = "turns"
    __table_args__ = (Index(None, "turn"),)

    owner: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    turn: Mapped[int] = mapped_column(BigInteger)
    """The number of its newest cohort among all cohorts, in steps of 2; an odd one is that of a new owner."""


class _OfJob:
    """Rows that belong to a job and are deleted with it."""

    job_key: Mapped[int] = mapped_column(
        Integer, ForeignKey("jobs.key", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class JobTag(_OfJob, Base):
    """One of a job's tags once more, to find jobs by it."""

    __tablename__ = "job_tags"
    __table_args__ = (Index(None, "name", "value", "job_key"), {"sqlite_with_rowid": False})

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(80))


class JobTransition(_OfJob, Base):
    """One change of a job's status."""

    __tablename__ = "job_transitions"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(200))
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Metric(_OfJob, Base):
    """One metric row. A figure that was not finite is NULL and named in `non_finite`."""

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
    """Statistics of each layer at an evaluation."""

    __tablename__ = "telemetry"

    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    layers: Mapped[list[dict[str, Any]]] = mapped_column(Document)


class ResumeState(_OfJob, Base):
    """Where the next attempt resumes: one row per job, replaced by every span and deleted at the end."""

    __tablename__ = "resume_states"

    step: Mapped[int]
    state: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))


class Checkpoint(_OfJob, Base):
    """Weights and running statistics after a step, which clients can list, download and predict with."""

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
    """The response to a POST with an Idempotency-Key, stored together with what it created."""

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
    """The time that a machine takes for each kind of work in a step; see models/specs/estimate.py."""

    __tablename__ = "machines"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The host's name; clients never see it."""
    torch_version: Mapped[str] = mapped_column(String(40))
    cpu_capability: Mapped[str] = mapped_column(String(40))
    seconds_per_call: Mapped[float] = mapped_column(Double)
    seconds_per_flop: Mapped[float] = mapped_column(Double)
    seconds_per_byte: Mapped[float] = mapped_column(Double)
    measured_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Worker(Base):
    """A worker that the dispatcher sees. Only the dispatcher writes here, every 2 seconds."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Its address in the engine; clients never see it."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the dispatcher first saw it."""
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Counter(Base):
    """How often a guard fired, and how much the workers have trained and stored."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
