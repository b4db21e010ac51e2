"""Checkpoints: listed, found by step or by name, and their bytes, checked on every read.

spans.py stores them, and drops those that a job need not keep.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.errors import CheckpointCorrupt, CheckpointNotFound
from service.store.digests import sha256_hex
from service.store.tables import Checkpoint, Job


def list_of(session: Session, job: Job) -> Sequence[Checkpoint]:
    """Return a job's checkpoints, the newest first, without their bytes."""
    query = select(Checkpoint).where(Checkpoint.job_key == job.key).order_by(Checkpoint.step.desc())
    return session.scalars(query).all()


def get(session: Session, job: Job, which: str) -> Checkpoint:
    """Find a checkpoint by step, or as `latest` or `best`; raise CheckpointNotFound."""
    found = find(session, job, which)
    if found is None:
        raise CheckpointNotFound(
            "the job has no such checkpoint; give latest, best or a step; GET its checkpoints for a list"
        )
    return found


def find(session: Session, job: Job, which: str) -> Checkpoint | None:
    """Find a checkpoint by step, or as `latest` or `best`."""
    query = select(Checkpoint).where(Checkpoint.job_key == job.key)
    if which == "latest":
        return session.scalar(query.order_by(Checkpoint.step.desc()).limit(1))
    if which == "best":
        step = job.best["step"] if job.best else -1
    else:
        step = int(which) if which.isascii() and which.isdigit() and len(which) < 10 else -1
    return session.scalar(query.where(Checkpoint.step == step))


def weights_of(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint's bytes, while its session is open; raise CheckpointCorrupt if they changed."""
    weights = checkpoint.weights
    if sha256_hex(weights) != checkpoint.sha256:
        raise CheckpointCorrupt("the stored weights no longer match their sha256")
    return weights
