"""The schemas of comparisons: what a client sends, and what it gets."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from models.specs.comparison import Arm, ComparisonSpec, Preset, Seeds, unwritten_of
from models.specs.strict import StrictModel
from service.api.comparisons.result_schemas import SummaryWarning
from service.api.shared.schemas import Label, Out, Priority


class ComparisonSubmission(ComparisonSpec):
    """A comparison to run: arms × seeds, and a label to find it by."""

    label: Label | None = None
    """A line of at most 80 characters, shown with the comparison."""
    priority: Priority = 0
    """Priority of its jobs: queued jobs of higher priority start first."""


class ComparisonExtension(StrictModel):
    """What to add to a comparison."""

    arms: Annotated[list[Arm], Field(max_length=200)] = Field(default_factory=list)
    """Further arms; each is trained with all seeds. If the comparison already has the arm, its runs without a
    result are run again."""
    seeds: Seeds | None = None
    """Seeds, or how many: 10 means 0 to 9. If the comparison already has a seed, only its runs without a
    result are run again: cancelled, or failed for another reason than diverging."""

    def unwritten(self) -> dict[str, Any]:
        """Return what is left out of a text that must stay the same from release to release."""
        return {"arms": unwritten_of(self.arms)}


class DeletedComparison(Out):
    """What was deleted, and the bytes that it freed."""

    id: str
    """Id of the comparison."""
    jobs: int
    """Number of jobs that were deleted with it."""
    freed_bytes: int
    """Bytes of their checkpoints."""


class ComparisonProgress(Out):
    """The number of jobs in each status, and the share of all steps that is done."""

    queued: int
    """Jobs that wait for a worker."""
    running: int
    """Jobs in training."""
    succeeded: int
    """Jobs that have done all their steps."""
    failed: int
    """Jobs that failed."""
    cancelled: int
    """Jobs that were cancelled."""
    percent: float
    """Share of all steps that is done, from 0 to 100."""


class SeedProof(Out):
    """The starts and the data of the runs of one seed; a digest is known once its run has begun."""

    seed: int
    """The seed."""
    init_digests: list[str]
    """sha256 of the drawn weights: one for all arms of equal shape."""
    data_digests: list[str]
    """sha256 of the batch order: one for all arms of equal batches."""


class FairnessProof(Out):
    """The proof that all arms had equal starts and equal data."""

    complete: bool
    """Whether every run has begun."""
    fair: bool
    """Whether, as far as known, arms of equal shape start from equal weights, and arms of equal batches see
    the same images in the same order."""
    seeds: list[SeedProof]
    """The digests of each seed."""


class ComparisonDetails(Out):
    """A comparison and its progress."""

    id: str
    """Id of the comparison, `cmp_` and a UUID; newer ids sort after older ones."""
    label: str | None
    """A name; null if there is none."""
    priority: int
    """Priority of its jobs: queued jobs of higher priority start first."""
    status: Literal["running", "ended"]
    """Whether any of its jobs has not ended."""
    created_at: datetime
    """When it was submitted, in UTC."""
    preset: Preset | None
    """The preset that its arms came from; null if there is none."""
    arms: list[str]
    """Names of the arms, in order."""
    baseline: str
    """Name of the arm that the others are compared with."""
    seeds: list[int]
    """The seeds that every arm is trained with."""
    learning_rates: list[float]
    """The learning rates that every arm is trained with; empty if each arm has its own."""
    jobs: int
    """Number of its jobs."""
    progress: ComparisonProgress
    """How far its jobs are."""
    warnings: list[SummaryWarning]
    """Whether there are too few seeds; the summary has further warnings."""
    links: dict[str, str]
    """Paths of the results and of what else belongs to the comparison."""


class ComparisonWithProof(ComparisonDetails):
    """A comparison with its proof of fairness."""

    fairness: FairnessProof
    """The proof that its arms had equal starts and equal data."""


class ComparisonList(Out):
    """A page of comparisons."""

    items: list[ComparisonDetails]
    """The comparisons of this page, the newest first."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last page."""
