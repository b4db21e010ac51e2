"""A run has the same bits alone and stacked: every operation of training, in many shapes."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.data.digits import Digits
from models.nets import activations
from models.nets.net import log_softmax, targets_of
from models.nets.norm import Scaling
from models.nets.norms import NORM_TYPES
from models.nets.weight_norms import inverse_length, squared_length
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread

N_SHAPES = 40
N_IMAGES = 50


class Operands(NamedTuple):
    """What a step works on, the run axis first in all of it."""

    x: Tensor  # (runs, batch, n_in)
    weight: Tensor  # (runs, n_in, n_units)
    z: Tensor  # (runs, batch, n_units)
    h: Tensor  # the same
    unit: Tensor  # (runs, 1, n_units)
    row: Tensor  # (runs, batch, 1)
    rate: Tensor  # (runs, 1, 1)
    grouped: Tensor  # (runs, batch, groups, units in a group)
    labels: Tensor  # (runs, batch)
    rows: Tensor  # (runs, batch), of the images
    losses: Tensor  # (runs, steps, batch)

    def alone(self, run: int) -> Self:
        """One run, in memory of its own."""
        return type(self)._make(tensor[run : run + 1].clone() for tensor in self)

    def shape(self) -> tuple[int, ...]:
        return (*self.x.shape, self.z.shape[2])


def draw(seed: int) -> Operands:
    generator = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    runs, batch, n_in, groups, size = (
        number(low, high) for low, high in ((2, 8), (2, 130), (2, 400), (1, 9), (2, 17))
    )
    n = groups * size
    return Operands(
        x=normal(runs, batch, n_in),
        weight=normal(runs, n_in, n),
        z=normal(runs, batch, n),
        h=normal(runs, batch, n),
        unit=normal(runs, 1, n),
        row=normal(runs, batch, 1),
        rate=normal(runs, 1, 1).abs(),
        grouped=normal(runs, batch, groups, size),
        labels=torch.randint(n, (runs, batch), generator=generator),
        rows=torch.randint(N_IMAGES, (runs, batch), generator=generator),
        losses=normal(runs, number(1, 40), batch),
    )


IMAGES = torch.rand(N_IMAGES, 784, generator=torch.Generator().manual_seed(0))
SHARED = torch.randn(500, 400, generator=torch.Generator().manual_seed(1))


def half_short(weight: Tensor) -> Tensor:
    """Make every second unit's weights so short that their squares are 0 in float32."""
    return weight * torch.tensor([1e-25, 1]).repeat(weight.shape[2])[: weight.shape[2]]


def norm_of(kind: str, o: Operands) -> Tensor:
    """All that a norm computes and updates in one step: z, its gradients, its statistics."""
    norm = NORM_TYPES[kind].create(o.weight, o.grouped.shape[2])
    norm.set_gain_and_shift(o.unit, o.unit, o.weight.clone())
    z, saved = norm.forward(o.z.clone(), o.weight, training=True)
    gradients = norm.backward(o.h.clone(), saved)
    computed = [z, *(each for each in gradients if each is not None), *norm.tensors().values()]
    return torch.cat([each.flatten(1) for each in computed], 1)


def norm_at_step(kind: str, o: Operands) -> Tensor:
    """What a norm computes at a time step of each run: z, and the gradient that autograd finds."""
    n_units = o.z.shape[2]
    computed = []
    for z, dz, unit in zip(o.z, o.h, o.unit, strict=True):
        running = {"running_mean": torch.zeros(n_units), "running_var": torch.ones(n_units)}
        a = z.clone().requires_grad_()
        out = NORM_TYPES[kind].at_step(a, Scaling(unit[0], unit[0], o.grouped.shape[2], True, **running))
        computed.append(torch.cat([out.detach(), *torch.autograd.grad(out, a, dz)]))
    return torch.stack(computed)


OPERATIONS: dict[str, Callable[[Operands], Tensor]] = {
    # products
    "bmm": lambda o: torch.bmm(o.x, o.weight),
    "bmm, weights transposed": lambda o: torch.bmm(o.z, o.weight.transpose(1, 2)),
    "bmm, inputs transposed": lambda o: torch.bmm(o.x.transpose(1, 2), o.z),
    "bmm of shared inputs": lambda o: torch.bmm(SHARED[:, : o.x.shape[2]].expand(len(o.x), -1, -1), o.weight),
    "baddbmm_": lambda o: o.weight.clone().baddbmm_(o.x.transpose(1, 2), o.z, alpha=-1),
    # sums
    "mean of losses": lambda o: o.losses.mean(-1),
    "sum over rows": lambda o: o.z.sum(1, keepdim=True),
    "sum of products over rows": lambda o: (o.z * o.h).sum(1, keepdim=True),
    "sum of squares of weights": lambda o: squared_length(o.weight).value,
    "inverse lengths and lifts of weights": lambda o: torch.cat(
        [part for part in inverse_length(half_short(o.weight)) if part is not None], 1
    ),
    "sum in float64": lambda o: o.row.sum((1, 2), dtype=torch.float64),
    "count": lambda o: (o.labels == o.rows).sum(1),
    # norms, non-linearities and the loss
    **{f"norm {kind}": partial(norm_of, kind) for kind in NORM_TYPES},
    **{f"norm {kind} at a step": partial(norm_at_step, kind) for kind in NORM_TYPES},
    "relu": lambda o: activations.apply_("relu", o.z.clone()),
    "tanh": lambda o: activations.apply_("tanh", o.z.clone()),
    "sigmoid": lambda o: activations.apply_("sigmoid", o.z.clone()),
    "relu backward": lambda o: activations.backward_("relu", o.z.clone(), o.h),
    "tanh backward": lambda o: activations.backward_("tanh", o.z.clone(), o.h),
    "sigmoid backward": lambda o: activations.backward_("sigmoid", o.z.clone(), o.h),
    "log_softmax": lambda o: log_softmax(o.z.clone()),
    "gradient of the loss": lambda o: torch.add(o.h, o.z.exp(), alpha=1 / 130),
    "targets": lambda o: targets_of(o.labels, o.z.shape[2]),
    "gather": lambda o: -o.z.gather(-1, o.labels.unsqueeze(-1)).squeeze(-1),
    "argmax": lambda o: o.z.argmax(-1),
    "accuracy": lambda o: (o.z.argmax(-1) == o.labels).float().mean(-1),
    # the optimizers
    "decay": lambda o: o.weight.clone().mul_(1 - o.rate * 0.01),
    "projection": lambda o: o.weight.clone().mul_((o.unit - 0.01).mul_(o.rate).add_(1)),
    "step": lambda o: o.weight.clone().addcmul_(o.weight, o.rate, value=-1),
    "add_ of decay": lambda o: o.weight.clone().add_(o.weight, alpha=0.01),
    "velocity": lambda o: o.weight.clone().mul_(0.9).add_(o.weight),
    "moments": lambda o: o.weight.clone().mul_(0.999).addcmul_(o.weight, o.weight, value=0.001),
    "mean of gradients": lambda o: o.weight.clone().lerp_(o.weight * o.rate, 1 - 0.9),
    "deviation": lambda o: o.weight.abs().sqrt().div_(0.0316).add_(1e-8),
    "division": lambda o: o.weight.div(o.weight.abs().add_(1e-8)).mul_(o.rate / 0.1),
    # init, which takes the runs one by one where they lie in the stack
    "gains of init": lambda o: torch.where(o.unit >= 1e-10, 1 / (o.unit.abs() + 1e-10).sqrt(), o.unit),
    "shifts of init": lambda o: -o.unit * o.unit,
    "degenerate units": lambda o: (~(o.unit >= 1e-10)).sum(1),
    "report of init": lambda o: torch.stack(
        [torch.stack([z.mean(), z.std(correction=0), z.min(), z.max()]) for z in o.z]
    ),
    # batches
    "index_select": lambda o: IMAGES.index_select(0, o.rows.flatten()).view(*o.rows.shape, -1),
}

COMPUTE_NOTHING = {"cat", "copy", "empty", "index", "lift_fresh", "ones_like", "permute", "select", "split"}
COUNT_FOR_A_REPORT = {"histc"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    prepare_thread()


def differing(operation: Callable[[Operands], Tensor]) -> list[tuple[int, ...]]:
    """The shapes (runs, batch, n_in, n_units) at which a run among others has other bits than alone."""
    return [
        operands.shape()
        for operands in map(draw, range(N_SHAPES))
        if not all(
            torch.equal(stacked, operation(operands.alone(run))[0])
            for run, stacked in enumerate(operation(operands))
        )
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_run_has_the_same_bits_stacked_and_alone(name: str) -> None:
    assert differing(OPERATIONS[name]) == []


@pytest.mark.parametrize(
    ("spec", "stacks"),
    [
        (TrainSpec(), True),
        (TrainSpec(n_units=2, batch_size=2), True),
        (TrainSpec(n_units=1), False),
        (TrainSpec(batch_size=1), False),
    ],
    ids=["article", "2", "one unit", "one row"],
)
def test_runs_whose_products_have_a_dimension_of_1_are_not_stacked(spec: TrainSpec, stacks: bool) -> None:
    assert spec.stacks() == stacks


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's is untyped
    """The operations that torch was asked for, with their exponents; those in place count as the others."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the same
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__.removesuffix("_")
        self.names.add(f"pow {args[1]}" if name == "pow" else name)
        return func(*args, **(kwargs or {}))


OPTIONS: list[dict[str, Any]] = [
    *({"norm": norm} for norm in NORMS),
    {"activation": "tanh", "optimizer": "momentum", "weight_decay": 0.01},
    {"activation": "sigmoid", "optimizer": "adam", "weight_decay": 0.01},
    {"norm": "weight", "weight_decay": 0.01},
    {"weight_decay": 0.01},
    {"norm": "weight", "init": True},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_operation_of_training_is_in_the_table(options: dict[str, Any], digits: Digits) -> None:
    training = Training([Run(TrainSpec(n_units=16, steps=1, **options))], digits)
    with Seen() as tabled:
        [operation(draw(0)) for operation in OPERATIONS.values()]

    with Seen() as used:
        next(training.spans())

    assert used.names - tabled.names - COMPUTE_NOTHING - COUNT_FOR_A_REPORT == set()


STACKED_IN_A_FRESH_PROCESS = """
import torch
from models.training.loop import prepare_thread
prepare_thread()
x, dz = torch.randn(2, 40, 355), torch.randn(2, 40, 6)
stacked = torch.bmm(x.transpose(1, 2), dz)
alone = [torch.bmm(x[run : run + 1].transpose(1, 2), dz[run : run + 1])[0] for run in range(2)]
print(torch.equal(stacked, torch.stack(alone)))
"""


def test_a_fresh_process_that_is_prepared_stacks_runs_without_changing_bits() -> None:
    """These sizes differ on AMD CPUs where MKL is left to choose."""
    environment = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    command = [sys.executable, "-c", STACKED_IN_A_FRESH_PROCESS]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
