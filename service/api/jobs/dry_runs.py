"""The cost of a job, computed without storing it."""

from sqlalchemy.orm import Session

from models.specs.cautions import cautions
from models.specs.estimate import run_seconds
from models.specs.spec import TrainSpec
from models.specs.written import written_bytes
from service.api.jobs.schemas import JobEstimate, MeasuredMachine
from service.api.shared.schemas import ResultWarning
from service.store import machines
from service.store.tables import Machine


def estimate_job(session: Session, spec: TrainSpec) -> JobEstimate:
    """Estimate the cost of a job of this spec on the machine that was measured last."""
    machine = machines.newest(session)
    return JobEstimate(
        spec=spec,
        parameters=spec.parameter_count(),
        checkpoint_bytes=spec.checkpoint_bytes(),
        memory_bytes=spec.run_bytes(),
        written_bytes=written_bytes(spec),
        estimated_seconds=machine and round(run_seconds(spec, machines.speed_of(machine)), 3),
        measured=machine and _measured(machine),
        warnings=[ResultWarning(**caution._asdict()) for caution in cautions(spec)],
    )


def _measured(machine: Machine) -> MeasuredMachine:
    return MeasuredMachine(
        torch_version=machine.torch_version,
        cpu_capability=machine.cpu_capability,
        measured_at=machine.measured_at,
    )
