"""The schemas of the data of events."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from models.specs.spec import TrainSpec
from models.specs.strict import WITHOUT_DOCSTRINGS
from service.api.comparisons.schemas import ComparisonProgress
from service.api.jobs.schemas import JobDetails, JobProgress
from service.api.metrics.schemas import StepMetrics
from service.api.shared.schemas import Out, Status
from service.api.shared.streams import PingEvent


class MetricsEvent(Out):
    """Rows of a history that the client does not have, in order and without a gap."""

    items: list[StepMetrics]
    """The rows: those that were stored together, at most 500."""
    progress: JobProgress
    """How far the training is."""


def _fields_of_job(names: Iterable[str]) -> Any:
    """Return these fields of a job, for a schema with fewer."""
    fields = JobDetails.model_fields
    return {name: (fields[name].annotation, Field(description=fields[name].description)) for name in names}


WITHOUT_SPEC = [name for name in JobDetails.model_fields if name not in TrainSpec.model_fields]
StatusEvent = create_model(
    "StatusEvent",
    __base__=Out,
    __cls_kwargs__=WITHOUT_DOCSTRINGS,
    __doc__="A job without its spec: at the start of a stream, and after each change that no row shows.",
    **_fields_of_job(WITHOUT_SPEC),
)


class DoneEvent(Out):
    """The end of a job, after which there are no events."""

    status: Literal["succeeded", "failed", "cancelled"]
    """The final status of the job."""


OF_LIST = (
    *("id", "status", "label", "norm", "init", "seed", "learning_rate", "comparison_id", "arm"),
    *("created_at", "started_at", "finished_at", "attempt", "progress", "best", "failure"),
)


class _Evaluated(Out):
    test_accuracy: float | None
    """Fraction of the test images that it got right in its newest evaluation; null before the first."""


JobSummary = create_model(
    "JobSummary",
    __base__=_Evaluated,
    __cls_kwargs__=WITHOUT_DOCSTRINGS,
    __doc__="What a list shows of a job.",
    **_fields_of_job(OF_LIST),
)


class JobsEvent(Out):
    """The first jobs of a list: whole, after each change."""

    items: list[JobSummary]
    """The jobs, in the order of the list."""


class RunSummary(_Evaluated):
    """How far a run of a comparison is."""

    id: str
    """Id of its job."""
    arm: str
    """Its arm."""
    seed: int
    """Its seed."""
    status: Status
    """State of the job."""
    step: int
    """Steps that are stored."""
    steps: int
    """Steps of the spec."""


class ComparisonEvent(Out):
    """The progress of a comparison: whole, after each change."""

    id: str
    """Id of the comparison."""
    status: Literal["running", "ended"]
    """Whether any of its jobs has not ended."""
    progress: ComparisonProgress
    """How far its jobs are."""
    runs: list[RunSummary]
    """All its runs, in the order of arrival."""


class ComparisonDoneEvent(Out):
    """The end of the last job of a comparison, after which there are no events."""

    status: Literal["ended"]
    """The status of the comparison."""


Events = dict[str, type[BaseModel]]
"""The events of a stream, and the schemas of their data."""

OF_JOB: Events = {"metrics": MetricsEvent, "status": StatusEvent, "done": DoneEvent, "ping": PingEvent}
OF_COMPARISON: Events = {"comparison": ComparisonEvent, "done": ComparisonDoneEvent, "ping": PingEvent}
OF_JOBS: Events = {"jobs": JobsEvent, "ping": PingEvent}
EVENTS = [model for events in (OF_JOB, OF_COMPARISON, OF_JOBS) for model in events.values()]
