"""What a job would cost, told without storing it."""

from datetime import datetime

from sqlalchemy.orm import Session

from models.specs.cautions import cautions
from models.specs.estimate import run_seconds
from models.specs.spec import TrainSpec
from service.api.job_view import Out, WarningOut
from service.store import machines
from service.store.tables import Machine


class MeasuredOut(Out):
    """The machine that an estimate is for, as its workers measured it when they started."""

    torch_version: str
    cpu_capability: str
    measured_at: datetime


class DryRunOut(Out):
    """What a job would be and cost."""

    spec: TrainSpec
    """Every field, resolved."""
    parameters: int
    checkpoint_bytes: int
    """Of the tensors of one checkpoint; the file has a header besides."""
    memory_bytes: int
    """The most that the run is expected to take in its worker."""
    estimated_seconds: float | None
    """Of training alone on an idle worker, evaluations included; null until a worker has been measured."""
    measured: MeasuredOut | None
    warnings: list[WarningOut]


def rehearse(session: Session, spec: TrainSpec) -> DryRunOut:
    """Tell what a job of this spec would cost on the machine that was measured last."""
    machine = machines.newest(session)
    return DryRunOut(
        spec=spec,
        parameters=spec.parameter_count(),
        checkpoint_bytes=spec.checkpoint_bytes(),
        memory_bytes=spec.run_bytes(),
        estimated_seconds=machine and round(run_seconds(spec, machines.speed_of(machine)), 3),
        measured=machine and _measured(machine),
        warnings=[WarningOut(**caution._asdict()) for caution in cautions(spec)],
    )


def _measured(machine: Machine) -> MeasuredOut:
    return MeasuredOut(
        torch_version=machine.torch_version,
        cpu_capability=machine.cpu_capability,
        measured_at=machine.measured_at,
    )
