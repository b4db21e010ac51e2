"""How fast each machine trains, as its workers measured when they started."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.specs.estimate import Speed
from service.store.tables import Machine
from service.store.upserts import upsert


def record(
    session: Session, name: str, torch_version: str, cpu_capability: str, speed: Speed, now: datetime
) -> None:
    """Store what a worker of a machine measured; it replaces earlier measurements of the same machine."""
    values = {"torch_version": torch_version, "cpu_capability": cpu_capability, "measured_at": now}
    upsert(session, Machine, {"name": name, **values, **speed._asdict()})


def newest(session: Session) -> Machine | None:
    """Return the machine that was measured last, if any was."""
    return session.scalars(select(Machine).order_by(Machine.measured_at.desc()).limit(1)).first()


def speed_of(machine: Machine) -> Speed:
    """Return the time that a machine takes for each kind of work."""
    return Speed(machine.seconds_per_call, machine.seconds_per_flop, machine.seconds_per_byte)
