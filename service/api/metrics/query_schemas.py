"""The schemas of metric queries."""

from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from models.specs.facts import Norm
from models.specs.spec import MAX_SEED, TrainSpec
from models.specs.strict import StrictModel, check_name, rule_error
from service.api.shared.schemas import Label, Out, Status
from service.api.shared.windows import LAST_STEP
from service.histories.aligned import MOST_JOBS
from service.store.metrics import KEYS
from service.store.queries import JobFilter

MOST_POINTS = 2_000
FIGURES = [key for key in KEYS if key != "step"]
FIELDS = list(TrainSpec.model_fields)


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise rule_error("repeated", "must not have an item twice")
    return names


Figure = Annotated[
    str, AfterValidator(partial(check_name, FIGURES)), WithJsonSchema({"type": "string", "enum": FIGURES})
]
SpecField = Annotated[
    str, AfterValidator(partial(check_name, FIELDS)), WithJsonSchema({"type": "string", "enum": FIELDS})
]
PublicId = Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")]
JobIds = Annotated[list[PublicId], Field(min_length=1, max_length=MOST_JOBS), AfterValidator(_unique)]
Figures = Annotated[list[Figure], Field(min_length=1, max_length=len(FIGURES)), AfterValidator(_unique)]
SpecFields = Annotated[list[SpecField], Field(max_length=8), AfterValidator(_unique)]
TagPair = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}:[^\x00-\x1f\x7f]{0,80}$")]


class MetricQueryFilter(StrictModel):
    """Jobs by what GET /jobs filters by; all conditions must hold."""

    status: list[Status] = Field(default_factory=list, max_length=5)
    """Any of these states; by default every state."""
    norm: Norm | None = None
    """This norm."""
    init: bool | None = None
    """With or without `init`."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """This seed."""
    label: Label | None = None
    """Exactly this label."""
    comparison_id: PublicId | None = None
    """Jobs of this comparison."""
    tag: list[TagPair] = Field(default_factory=list, max_length=20)
    """All of these tags, as name:value."""

    def wanted(self) -> JobFilter:
        """Return the filter as the store has it."""
        pairs = [(name, value) for name, _, value in (each.partition(":") for each in self.tag)]
        values = {name: getattr(self, name) for name in ("norm", "init", "seed", "label", "comparison_id")}
        return JobFilter(status=self.status, tags=pairs, **values)


class MetricQuery(StrictModel):
    """Which metrics to return, of which jobs, and how."""

    example: ClassVar[str] = '{"filter": {"norm": "batch"}}'

    jobs: JobIds | None = None
    """Ids of jobs, in the order of the response; either these or `filter`."""
    filter: MetricQueryFilter | None = None
    """The jobs that match, oldest first; at most 200 may match."""
    keys: Figures = Field(default_factory=lambda: ["test_accuracy"])
    """The metrics to return."""
    start_step: int = Field(1, ge=1, le=LAST_STEP)
    """First step of the window."""
    end_step: int = Field(LAST_STEP, ge=1, le=LAST_STEP)
    """Last step of the window."""
    max_points: int = Field(300, ge=10, le=MOST_POINTS)
    """Most steps of each metric; many jobs and metrics lower it."""
    group_by: SpecFields = Field(default_factory=list)
    """Fields of the spec: jobs that agree in all of them are one group. By default, jobs are not grouped."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.jobs is None) == (self.filter is None):
            raise rule_error("jobs_or_filter", "give either jobs or filter", "jobs", "filter")
        if self.start_step > self.end_step:
            rule = "start_step must not be above end_step"
            raise rule_error("window", rule, "start_step", "end_step")
        return self


class CommonThinning(Out):
    """How the steps were chosen, the same for all jobs."""

    method: Literal["stride"]
    """Evenly spaced steps, with the first and the last."""
    n_in: int
    """Steps of the window at which a job has the metric."""
    n_out: int
    """Steps of the response."""


class RunSeries(Out):
    """The metric of one job."""

    job_id: str
    """Id of the job."""
    values: list[float | None]
    """A value per step; null where the job has none, or one that is not finite."""


class GroupSeries(Out):
    """The metric over the jobs of a group; null where too few jobs have a finite value."""

    fields: dict[str, Any]
    """The fields that the jobs agree in."""
    jobs: list[str]
    """Ids of the jobs."""
    n: list[int]
    """Jobs with a finite value at each step; a run that diverged has none from then on."""
    mean: list[float | None]
    """Their mean."""
    sd: list[float | None]
    """Their sample standard deviation; null for fewer than two."""
    min: list[float | None]
    """The smallest value."""
    max: list[float | None]
    """The largest value."""


class MetricSeries(Out):
    """One metric of all jobs, on common steps."""

    key: str
    """The metric."""
    steps: list[int]
    """The steps at which a job has the metric, all or some of them."""
    thinning: CommonThinning | None
    """Null if no step is left out."""
    runs: list[RunSeries] | None
    """A series per job; null with `group_by`."""
    groups: list[GroupSeries] | None
    """A series per group; null without `group_by`."""


class MetricQueryResult(Out):
    """Metrics of many jobs."""

    jobs: list[str]
    """Ids of the jobs."""
    group_by: list[str]
    """The fields that the jobs are grouped by."""
    metrics: list[MetricSeries]
    """The metrics in the order of `keys`."""
