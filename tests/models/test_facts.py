"""The published facts of each norm are those of its layers: what is stored, ε, and the running rate."""

from itertools import product
from typing import get_args

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from models.nets.init import initialise
from models.nets.norms import NORM_TYPES
from models.specs.facts import NORMS, Norm, NormFacts, Scope
from models.specs.spec import N_IN, TrainSpec
from models.training.checkpoint import dump_net
from models.training.start import build
from tests.models.formulas import FORMULAS

FAN_IN, UNITS, ROWS = 6, 8, 5
WITH_EPSILON = [norm for norm, facts in NORMS.items() if facts.epsilon is not None]
WITH_STATISTICS = [norm for norm, facts in NORMS.items() if facts.running_rate is not None]
NETS = [
    (norm, init, scope)
    for norm, init, scope in product(NORMS, (False, True), ("hidden", "all"))
    if norm != "none" or scope == "hidden"
]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def published(spec: TrainSpec) -> dict[str, tuple[list[int], torch.dtype]]:
    """The shape of each tensor in the file, as the facts say."""
    return {
        f"{layer.name}.{tensor.name}": (
            [getattr(layer, dimension) for dimension in tensor.shape],
            torch.float32,
        )
        for layer in spec.plan()
        for tensor in NORMS[layer.norm].tensors
    }


@pytest.mark.parametrize(("norm", "init", "scope"), NETS)
def test_a_file_holds_the_published_tensors(norm: Norm, init: bool, scope: Scope) -> None:
    groups = 2 if NORMS[norm].in_groups else 8
    spec = TrainSpec(norm=norm, init=init, scope=scope, n_hidden=2, n_units=12, groups=groups)
    net, _ = build(spec)
    if init:
        initialise(net, drawn(1, ROWS, N_IN).float())

    stored = load(dump_net(net, spec))

    assert {name: (list(tensor.shape), tensor.dtype) for name, tensor in stored.items()} == published(spec)


@pytest.mark.parametrize("norm", WITH_EPSILON)
def test_epsilon_is_what_keeps_zeros_from_a_division_by_zero(norm: Norm) -> None:
    weight, tiny = drawn(1, FAN_IN, UNITS), 1e-6 * drawn(1, ROWS, UNITS)
    layer = NORM_TYPES[norm].create(weight, 2)
    own = {name: tensor.view(-1) for name, tensor in layer.tensors().items()}
    expected = FORMULAS[norm](tiny[0], own, 2, True)

    _, inverse = layer.normalise(torch.zeros_like(tiny), weight, True)
    z, _ = layer.forward(tiny, weight, True)

    assert inverse.isfinite().all()
    torch.testing.assert_close(z[0], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("norm", WITH_STATISTICS)
def test_running_statistics_move_at_the_published_rate(norm: Norm) -> None:
    weight, a = drawn(1, FAN_IN, UNITS), drawn(1, ROWS, UNITS)
    layer = NORM_TYPES[norm].create(weight, 2)
    before = {name: tensor.clone() for name, tensor in layer.tensors().items()}
    scale = layer.gain / weight.norm(dim=1, keepdim=True) if NORMS[norm].of_weights else torch.ones(1, 1, 1)
    batch = {"running_mean": (a * scale).mean(1, keepdim=True), "running_var": a.var(1, keepdim=True)}

    layer.forward(a, weight, training=True)

    rate = NORMS[norm].running_rate or 0
    found = {name: tensor for name, tensor in layer.tensors().items() if name in batch}
    expected = {name: (1 - rate) * before[name] + rate * batch[name] for name in found}
    assert found
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_every_norm_has_a_class_facts_and_a_formula_to_compare_with() -> None:
    assert set(get_args(Norm)) == set(NORMS) == set(NORM_TYPES)
    assert set(FORMULAS) == set(NORMS), "tests/models/formulas.py has a formula for each norm"


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_of_activations_normalises_cells_too(norm: Norm) -> None:
    assert NORMS[norm].of_cells == (norm != "none" and not NORMS[norm].of_weights)


def formulas(facts: NormFacts) -> str:
    return f"a = x W; {facts.formula}; {facts.formula_in_evaluation or ''}"


@pytest.mark.parametrize("norm", NORMS)
def test_a_formula_has_epsilon_and_the_letter_of_each_tensor(norm: Norm) -> None:
    facts = NORMS[norm]

    assert [tensor.letter for tensor in facts.tensors if tensor.letter not in formulas(facts)] == []
    assert ("ε" in facts.formula) == (facts.epsilon is not None) == (facts.epsilon_place is not None)
    assert bool(facts.running_per_unit) == (facts.running_rate is not None)
    assert bool(facts.running_per_unit) == (facts.formula_in_evaluation is not None)
