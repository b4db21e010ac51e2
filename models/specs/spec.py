"""What to train: the one description of a run, with its bounds."""

import json
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from models.specs import memory
from models.specs.datasets import COUNTS, Dataset
from models.specs.facts import NORMS, Norm, Scope
from models.specs.plan import LayerPlan
from models.specs.strict import StrictModel, broken

Activation = Literal["relu", "tanh", "sigmoid"]
OptimizerName = Literal["sgd", "momentum", "adam"]

N_IN = 784
N_CLASSES = 10
N_TRAIN = COUNTS["train"]
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact


RUN_FIELDS = ("seed", "learning_rate", "weight_std", "g_init", "init", "keep_checkpoints", "max_seconds")
"""What each run of a cohort has of its own."""


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
    scope: Scope = Field(default_factory=lambda spec: _default_scope(spec.get("norm")))
    """Layers that are normalised: all by default for the two norms of weights, hidden for the others."""
    g_init: Literal["norm", "one", "random"] = "norm"
    """How the gains of Weight Normalization start: at ‖v‖, at 1, or drawn like a weight (the memo's accident,
    with which a net does not learn)."""
    groups: Annotated[int, Field(ge=1, le=4096)] = 8
    """Groups of norm group; they divide the units of every layer that is normalised."""
    n_hidden: Annotated[int, Field(ge=1, le=8)] = 1
    """Hidden layers."""
    n_units: Annotated[int, Field(ge=1, le=4096)] = 128
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """The non-linearity of the hidden layers."""
    weight_std: Annotated[float, Field(ge=1e-6, le=10)] = 0.1
    """Standard deviation of the drawn weights, before they are truncated at two of them."""
    optimizer: OptimizerName = "sgd"
    """How gradients become updates: plain descent, heavy-ball momentum, or Adam (0.9, 0.999, 1e-8)."""
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 0.1
    """Step size of the optimizer."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the velocity that optimizer momentum keeps."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    """L2 added to the gradient of the weights, as in PyTorch."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Training images a step."""
    sampling: Literal["replace", "epoch"] = "replace"
    """Whether batches are drawn with replacement, or in shuffled epochs whose last short batch is dropped."""
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
    telemetry: bool = False
    """Whether each evaluation also measures the layers; GET /jobs/{job_id}/telemetry has them."""
    max_seconds: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Training time after which the run ends as failed, with code time_limit."""
    dataset: Dataset = "mnist"
    """The images to train on; GET /datasets tells of each. The first job on a missing one downloads it."""

    @model_validator(mode="after")
    def _have_enough_rows_for_statistics(self) -> Self:
        needs_rows = {"norm": NORMS[self.norm].over_batch, "init": self.init}
        fields = [name for name, needed in needs_rows.items() if needed]
        if fields and self.batch_size < 2:
            rule = "batch_size must be at least 2 for statistics over a batch"
            raise broken("too_few_rows", rule, *fields, "batch_size")
        return self

    @model_validator(mode="after")
    def _fit_into_memory(self) -> Self:
        needed = self.run_bytes()
        if needed > memory.MAX_RUN_BYTES:
            rule = f"the run needs about {needed} bytes of memory; at most {memory.MAX_RUN_BYTES} are allowed"
            raise broken("budget_exceeded", rule, "n_units", "n_hidden")
        return self

    @model_validator(mode="after")
    def _have_units_to_normalise(self) -> Self:
        facts = NORMS[self.norm]
        sizes = sorted({layer.n_units for layer in self.plan() if layer.norm == self.norm})
        if facts.in_groups:
            if any(size % self.groups for size in sizes):
                rule = f"groups must divide the units of every normalised layer: {sizes}"
                raise broken("uneven_groups", rule, "groups", "n_units")
            if any(size // self.groups < facts.least_units for size in sizes):
                rule = f"a group must have at least {facts.least_units} units"
                raise broken("too_small_groups", rule, "groups", "n_units")
        elif self.n_units < facts.least_units:
            rule = f"n_units must be at least {facts.least_units} for norm {self.norm}"
            raise broken("too_few_units", rule, "norm", "n_units")
        return self

    @model_validator(mode="after")
    def _leave_what_does_not_apply(self) -> Self:
        facts = NORMS[self.norm]
        applies = {
            "scope": ("norm", self.norm != "none"),
            "g_init": ("norm", facts.of_weights),
            "groups": ("norm", facts.in_groups),
            "momentum": ("optimizer", self.optimizer == "momentum"),
        }
        for name, (decider, used) in applies.items():
            if not used and getattr(self, name) != self._default_of(name):
                rule = f"{name} has no meaning with this {decider}; leave it at its default"
                raise broken("not_applicable", rule, decider, name)
        return self

    def _default_of(self, name: str) -> Any:
        field = type(self).model_fields[name]
        return field.get_default(call_default_factory=True, validated_data=self.__dict__)

    def canonical_json(self) -> str:
        """Answer the spec as JSON with sorted keys and no spaces: one text for one spec."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))

    def shape(self) -> str:
        """Name what runs must share to be trained in lockstep: all but what each run has of its own."""
        return self.model_dump_json(exclude=set(RUN_FIELDS))

    def stacks(self) -> bool:
        """Tell whether a run keeps its bits among others: GEMMs with a dimension of 1 do not grant that."""
        return self.n_units > 1 and self.batch_size > 1

    def evaluates(self, step: int) -> bool:
        """Tell whether validation and test figures are due after this step."""
        return step % self.eval_every == 0 or self.saves(step)

    def saves(self, step: int) -> bool:
        """Tell whether a checkpoint is due after this step."""
        return step % self.checkpoint_every == 0 or step == self.steps

    def plan(self) -> list[LayerPlan]:
        """List the layers from the input to the output."""
        names = [*(f"hidden{number}" for number in range(1, self.n_hidden + 1)), "output"]
        sizes = pairwise((N_IN, *[self.n_units] * self.n_hidden, N_CLASSES))
        norms = [*[self.norm] * self.n_hidden, self.norm if self.scope == "all" else "none"]
        return [
            LayerPlan(name, "dense", fan_in, n_units, 1, norm)
            for name, (fan_in, n_units), norm in zip(names, sizes, norms, strict=True)
        ]

    def run_bytes(self) -> int:
        """Estimate the most memory that a run takes, in bytes."""
        return memory.run_bytes(self.plan(), self.batch_size, self.optimizer, self.telemetry)

    def parameter_count(self) -> int:
        """Count the trained numbers of the net."""
        return sum(layer.n_parameters for layer in self.plan())

    def checkpoint_bytes(self) -> int:
        """Count the bytes of all tensors of the net, running statistics included."""
        return 4 * sum(layer.n_parameters + layer.n_running for layer in self.plan())


def _default_scope(norm: Norm | None) -> Scope:
    return NORMS[norm].scope if norm else "hidden"
