"""What to train: the one description of a run, with its bounds and the facts of each norm."""

import difflib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Norm = Literal["none", "weight", "batch", "layer"]
Dataset = Literal["mnist"]

N_IN = 784
N_CLASSES = 10
N_TRAIN = 55_000
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact


class MetricRow(NamedTuple):
    """One step of a history: train figures before update `step`, the others after it.

    Losses are mean cross-entropy in nats, accuracies shares of 1; None is not evaluated.
    """

    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    elapsed_seconds: float


class StrictModel(BaseModel):
    """A schema that takes nothing for something else and names the field that was meant."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, frozen=True, use_attribute_docstrings=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _name_nearest_field(cls, data: Any, handler: Any) -> Self:
        try:
            return handler(data)  # type: ignore[no-any-return] # pydantic's handler is untyped
        except ValidationError as error:
            known = list(cls.model_fields)
            raise ValidationError.from_exception_data(
                error.title, [_with_nearest(line, known) for line in error.errors(include_url=False)]
            ) from None


def _with_nearest(line: Any, known: list[str]) -> InitErrorDetails:
    kind, message = line["type"], line["msg"]
    context = {key: value for key, value in line.get("ctx", {}).items() if key != "error"}
    if kind == "extra_forbidden" and len(line["loc"]) == 1:
        near = difflib.get_close_matches(str(line["loc"][0])[:64], known, n=1)
        message = f"is not a known field; did you mean {near[0]}?" if near else "is not a known field"
    # A PydanticCustomError formats its message: braces of ours are escaped.
    template = message.replace("{", "{{").replace("}", "}}")
    return InitErrorDetails(
        type=PydanticCustomError(kind, template, context), loc=line["loc"], input=line["input"]
    )


class TrainSpec(StrictModel):
    """The description of one run; every default is the article's.

    A run is a pure function of its spec, the data, the torch build and the CPU
    capability: two runs of one spec have the same weights, bit for bit.
    """

    norm: Norm = "none"
    """How pre-activations are normalised; GET /norms explains each."""
    init: bool = False
    """Whether gains and shifts are set from the first batch, so that each unit starts with mean 0 and
    standard deviation 1."""
    n_units: Annotated[int, Field(ge=1, le=4096)] = 128
    """Units of the hidden layer."""
    weight_std: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Standard deviation of the drawn weights, before they are truncated at two of them."""
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 0.1
    """Step size of stochastic gradient descent."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Training images a step, drawn with replacement."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Updates to make; each is one row of the metric history."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Decides the weights drawn and the order of the batches, both the same for every norm."""
    eval_every: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Steps between evaluations on the validation and the test images; the last step is always evaluated."""
    checkpoint_every: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Steps between checkpoints, each evaluated; the last step always has one."""
    keep_checkpoints: Annotated[int, Field(ge=1, le=100)] = 2
    """How many of the newest checkpoints are kept beside the best."""
    dataset: Dataset = "mnist"
    """The images to train on."""

    @model_validator(mode="after")
    def _have_enough_rows_for_statistics(self) -> Self:
        needs_rows = [
            name for name, needed in (("norm", self.norm == "batch"), ("init", self.init)) if needed
        ]
        if needs_rows and self.batch_size < 2:
            raise PydanticCustomError(
                "too_few_rows",
                "batch_size must be at least 2 for statistics over a batch (norm batch, or init)",
                {"fields": [*needs_rows, "batch_size"]},
            )
        return self

    def canonical_json(self) -> str:
        """Answer the spec as JSON with sorted keys and no spaces: one text for one spec."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))

    def evaluates(self, step: int) -> bool:
        """Tell whether validation and test figures are due after this step."""
        return step % self.eval_every == 0 or self.saves(step)

    def saves(self, step: int) -> bool:
        """Tell whether a checkpoint is due after this step."""
        return step % self.checkpoint_every == 0 or step == self.steps

    def norms(self) -> tuple[Norm, Norm]:
        """Name the norm of each layer, from the input on: the article's arrangement."""
        return (self.norm, "weight" if self.norm == "weight" else "none")

    def parameter_count(self) -> int:
        """Count the trainable numbers of the net."""
        sizes = (N_IN, self.n_units, N_CLASSES)
        layers = zip(sizes[:-1], sizes[1:], self.norms(), strict=True)
        return sum(n_in * n + NORMS[norm].parameters_per_unit * n for n_in, n, norm in layers)


@dataclass(frozen=True)
class NormFacts:
    """What a reader should know of a norm before choosing it."""

    title: str
    formula: str
    parameters_per_unit: int
    normalises: str
    init: str
    traps: tuple[str, ...]
    source: str


NORMS: dict[Norm, NormFacts] = {
    "none": NormFacts(
        title="No normalisation",
        formula="z = x W + b",
        parameters_per_unit=1,
        normalises="nothing",
        init="each column of W is scaled and b set so that z has mean 0 and deviation 1 on the first batch; "
        "the outcome no longer depends on weight_std",
        traps=("without init the start depends on weight_std",),
        source="the plain affine layer",
    ),
    "weight": NormFacts(
        title="Weight Normalization",
        formula="t = x v / ‖v‖;  z = g t + b",
        parameters_per_unit=2,
        normalises="both layers",
        init="g and b are set from the first batch (equations 5 and 6 of the paper); v is untouched",
        traps=(
            "without init it starts as exactly the un-normalised net (g = ‖v‖)",
            "the effective step grows with learning_rate / ‖v‖²: a small weight_std is unstable with init",
        ),
        source="Salimans & Kingma 2016, arXiv 1602.07868",
    ),
    "batch": NormFacts(
        title="Batch Normalization",
        formula="u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        parameters_per_unit=2,
        normalises="the hidden layer",
        init="γ and β by the general rule (close to 1 and 0); running statistics start at the batch's own",
        traps=(
            "training needs at least 2 rows a batch",
            "predictions use running statistics, never the other rows of the request",
        ),
        source="Ioffe & Szegedy 2015, arXiv 1502.03167",
    ),
    "layer": NormFacts(
        title="Layer Normalization",
        formula="u = (a − mean_row) / √(var_row + ε);  z = γ u + β",
        parameters_per_unit=2,
        normalises="the hidden layer",
        init="γ and β are set per unit from the first batch: a real change",
        traps=("the statistics are over the units of one row: differences between units in scale remain",),
        source="Ba, Kiros & Hinton 2016, arXiv 1607.06450",
    ),
}
