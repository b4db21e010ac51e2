"""Statistics of a job's layers at each evaluation, for jobs that ask for telemetry."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Telemetry


def read(session: Session, job_key: int, after_step: int, limit: int) -> Sequence[Telemetry]:
    """Return at most `limit` rows after a step, in order of step."""
    query = select(Telemetry).where(Telemetry.job_key == job_key, Telemetry.step > after_step)
    return session.scalars(query.order_by(Telemetry.step).limit(limit)).all()
