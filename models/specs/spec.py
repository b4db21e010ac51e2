"""The spec of a run: its fields, their bounds and their defaults."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from models.specs import memory
from models.specs.datasets import COUNTS, SIDE, Dataset
from models.specs.facts import NORMS, NetName, Norm, Scope
from models.specs.float32 import Float32
from models.specs.nets import NET_FIELDS, NETS, plan_net
from models.specs.plan import LayerPlan
from models.specs.strict import StrictModel, rule_error

Activation = Literal["relu", "tanh", "sigmoid"]
OptimizerName = Literal["sgd", "momentum", "adam"]

N_IN = SIDE * SIDE
N_CLASSES = 10
N_TRAIN = COUNTS["train"]
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact

LearningRate = Annotated[float, Field(gt=0, le=1e6), Float32()]

RUN_FIELDS = ("seed", "learning_rate", "weight_std", "g_init", "init", "keep_checkpoints", "max_seconds")
"""The fields in which runs of one cohort may differ."""


class TrainSpec(StrictModel):
    """The description of one run; the defaults are those of the article.

    A run is a pure function of its spec, the data and the kernels that torch, its BLAS and numpy choose: two
    runs of one spec have bit-identical weights on workers with equal `kernels_sha256`.
    """

    net: NetName = "dense"
    """The kind of the hidden layers: dense (fully connected), conv (convolutions) or lstm (recurrent)."""
    norm: Norm = "none"
    """How pre-activations are normalised."""
    init: bool = False
    """Whether gains and shifts are set from the first batch, so that the pre-activations of each unit start
    with mean 0 and standard deviation 1."""
    scope: Scope = Field(default_factory=lambda spec: NORMS[spec["norm"]].scope)
    """Which layers are normalised: all by default for norms of weights, otherwise hidden."""
    g_init: Literal["norm", "one", "random"] = "norm"
    """How the gains of Weight Normalization start: at ‖v‖, at 1, or drawn like a weight (as in the memo's
    code, with which a net does not learn)."""
    groups: Annotated[int, Field(ge=1, le=4096)] = 8
    """Number of groups of norm group; it must divide the units of every normalised layer."""
    n_hidden: Annotated[int, Field(ge=1, le=8)] = Field(
        default_factory=lambda spec: NETS[spec["net"]].n_hidden
    )
    """Number of hidden layers: 1 by default; for conv 2 by default and at most 4, for lstm always 1."""
    n_units: Annotated[int, Field(ge=1, le=4096)] = Field(
        default_factory=lambda spec: NETS[spec["net"]].n_units
    )
    """Units per hidden layer, 128 by default; for conv they are channels, 16 by default and at most 256, for
    lstm cells, 64 by default and at most 512."""
    kernel_size: Literal[1, 3, 5, 7] = 5
    """Height and width of the kernels of net conv."""
    stride: Literal[1, 2] = 2
    """Pixels from one position of a kernel of net conv to the next, down and across."""
    sequence: Literal["permuted", "rows"] = "permuted"
    """The time steps of net lstm: 28 pixels each in one fixed random order, or the 28 rows from the top."""
    activation: Activation = "relu"
    """Activation function of the hidden layers."""
    weight_std: Annotated[float, Field(ge=1e-6, le=10), Float32()] = 0.1
    """Standard deviation of the normal distribution that weights are drawn from, truncated at two of it."""
    optimizer: OptimizerName = "sgd"
    """Update rule: plain SGD, SGD with heavy-ball momentum, or Adam (0.9, 0.999, 1e-8)."""
    learning_rate: LearningRate = 0.1
    """Step size of the optimizer."""
    momentum: Annotated[float, Field(ge=0, lt=1), Float32()] = 0.9
    """Momentum factor of optimizer momentum."""
    weight_decay: Annotated[float, Field(ge=0, le=10), Float32()] = 0.0
    """L2 penalty: weight_decay times the weights is added to their gradient, as in PyTorch."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Training images per step."""
    sampling: Literal["replace", "epoch"] = "replace"
    """How batches are drawn: with replacement, or in shuffled epochs whose last, shorter batch is dropped."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Number of updates; each adds one row to the metric history."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Determines the drawn weights and the order of the batches, which are the same for every norm."""
    eval_every: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Steps between evaluations on the validation and test images; the last step is always evaluated."""
    checkpoint_every: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Steps between checkpoints, which are also evaluated; the last step always has one."""
    keep_checkpoints: Annotated[int, Field(ge=0, le=100)] = 2
    """Number of newest checkpoints to keep, in addition to the best one; 0 keeps the last one only."""
    telemetry: bool = False
    """Whether each evaluation also measures the layers; GET /jobs/{job_id}/telemetry returns the result."""
    max_seconds: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Training time, in seconds, after which the run fails with code time_limit: evaluations count, waiting
    and other runs do not."""
    dataset: Dataset = "mnist"
    """The images to train on; GET /datasets describes them. The first job downloads a missing data set."""

    @model_validator(mode="after")
    def _check_size_of_net(self) -> Self:
        facts = NETS[self.net]
        for name, most in (("n_hidden", facts.most_hidden), ("n_units", facts.most_units)):
            if getattr(self, name) > most:
                raise rule_error(
                    "too_large_for_net", f"{name} must be at most {most} for net {self.net}", "net", name
                )
        return self

    @model_validator(mode="after")
    def _check_batch_size(self) -> Self:
        uses_statistics = {"norm": NORMS[self.norm].over_batch, "init": self.init}
        fields = [name for name, used in uses_statistics.items() if used]
        if fields and self.batch_size < 2:
            rule = "batch_size must be at least 2 for statistics over a batch"
            raise rule_error("too_few_rows", rule, *fields, "batch_size")
        return self

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        needed = self.run_bytes()
        if needed > memory.MAX_RUN_BYTES:
            rule = f"the run needs about {needed} bytes of memory; at most {memory.MAX_RUN_BYTES} are allowed"
            raise rule_error("budget_exceeded", rule, "n_units", "n_hidden")
        return self

    @model_validator(mode="after")
    def _check_normalised_units(self) -> Self:
        facts = NORMS[self.norm]
        layers = [layer for layer in self.plan() if layer.norm == self.norm]
        if any(layer.n_units % layer.groups for layer in layers):
            sizes = sorted({layer.n_units for layer in layers})
            rule = f"groups must divide the units of every normalised layer: {sizes}"
            raise rule_error("uneven_groups", rule, "groups", "n_units")
        if any(layer.values_per_group < facts.min_units for layer in layers):
            if facts.in_groups:
                rule = f"a group must have at least {facts.min_units} units"
                raise rule_error("too_small_groups", rule, "groups", "n_units")
            rule = f"n_units must be at least {facts.min_units} for norm {self.norm}"
            raise rule_error("too_few_units", rule, "norm", "n_units")
        return self

    @model_validator(mode="after")
    def _check_unused_fields(self) -> Self:
        for name, decider in self.unused_fields().items():
            if getattr(self, name) != self._default_of(name):
                rule = f"{name} has no effect with this {decider}; leave it at its default"
                raise rule_error("not_applicable", rule, decider, name)
        return self

    def unused_fields(self) -> dict[str, str]:
        """Return the fields that have no effect, each with the field that decides so."""
        facts = NORMS[self.norm]
        used = {
            "scope": ("norm", self.norm != "none"),
            "g_init": ("norm", facts.of_weights),
            "groups": ("norm", facts.in_groups),
            "activation": ("net", NETS[self.net].has_activation),
            "momentum": ("optimizer", self.optimizer == "momentum"),
            **{name: ("net", name in NETS[self.net].fields) for name in NET_FIELDS if name != "net"},
        }
        return {name: decider for name, (decider, is_used) in used.items() if not is_used}

    def _default_of(self, name: str) -> Any:
        field = type(self).model_fields[name]
        return field.get_default(call_default_factory=True, validated_data=self.__dict__)

    def canonical_json(self) -> str:
        """Return the spec as JSON with sorted keys and no spaces, so that equal specs have equal text.

        A dense spec is written without the fields of other nets: its text is part of a weights file, and must
        be the same as before there were other nets.
        """
        return json.dumps(self.model_dump(exclude=self.unwritten()), sort_keys=True, separators=(",", ":"))

    def unwritten(self) -> set[str]:
        """Return the fields that are left out where the text of a spec must never change."""
        return set(NET_FIELDS) if self.net == "dense" else set()

    def shape(self) -> str:
        """Return the fields that runs must share to be trained in lockstep, as JSON."""
        return self.model_dump_json(exclude=set(RUN_FIELDS))

    def stacks(self) -> bool:
        """Return whether stacking keeps the run bit-identical: GEMMs with a dimension of 1 do not."""
        return self.n_units > 1 and self.batch_size > 1

    def evaluates(self, step: int) -> bool:
        """Return whether the net is evaluated on validation and test images after this step."""
        return step % self.eval_every == 0 or self.saves(step)

    def saves(self, step: int) -> bool:
        """Return whether a checkpoint is saved after this step."""
        return step % self.checkpoint_every == 0 or step == self.steps

    def plan(self) -> list[LayerPlan]:
        """Return the layers of the net, from the input to the output."""
        return plan_net(self, N_CLASSES)

    def run_bytes(self) -> int:
        """Estimate the peak memory of the run, in bytes."""
        return memory.run_bytes(self.plan(), N_IN, self.batch_size, self.optimizer, self.telemetry)

    def parameter_count(self) -> int:
        """Return the number of trained parameters of the net."""
        return sum(layer.n_parameters for layer in self.plan())

    def checkpoint_bytes(self) -> int:
        """Return the bytes of all tensors of the net, running statistics included."""
        return 4 * sum(layer.n_parameters + layer.n_running for layer in self.plan())
