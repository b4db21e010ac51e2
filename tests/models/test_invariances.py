"""Changes that a norm is invariant to, exactly in float64, some only without ε."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.nets import norms
from models.nets.layers import Dense
from models.nets.norms import NORM_TYPES
from models.specs.facts import NORMS

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
WEIGHT_NORMS = [norm for norm, facts in NORMS.items() if facts.of_weights]
BATCH_NORMS = [norm for norm, facts in NORMS.items() if facts.over_batch]
ROW_NORMS = [norm for norm in NORMS if norm not in ("none", *WEIGHT_NORMS, *BATCH_NORMS)]


def float64(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def dense(kind: str, weight: Tensor) -> Dense:
    """A layer of 8 units in 2 groups, its gains, shifts and running statistics not those of the start."""
    norm = NORM_TYPES[kind].create(weight, 2)
    return Dense(weight, norm.map(lambda tensor: tensor + 0.1 * torch.rand_like(tensor)))


def pre_activations(layer: Dense, x: Tensor, training: bool = True) -> Tensor:
    """z, the layer's running statistics left as they were."""
    return layer.map(Tensor.clone).forward(x, training)[0]


@pytest.fixture
def no_eps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norms, "EPS", 0.0)


def test_weight_norm_without_init_starts_as_the_unnormalised_net() -> None:
    weight, x = float64(2, 6, 8), float64(2, 5, 6)

    plain, normalised = (
        pre_activations(Dense(weight, NORM_TYPES[kind].create(weight, 2)), x) for kind in ("none", "weight")
    )

    torch.testing.assert_close(normalised, plain, **CLOSE)


@pytest.mark.parametrize("kind", WEIGHT_NORMS)
def test_the_length_of_a_unit_s_weights_has_no_effect_with_weight_norms(kind: str) -> None:
    layer, x = dense(kind, float64(1, 6, 8)), float64(1, 5, 6)

    stretched = Dense(layer.weight * torch.arange(1.0, 9.0), layer.norm)

    torch.testing.assert_close(pre_activations(stretched, x), pre_activations(layer, x), **CLOSE)


@pytest.mark.parametrize("kind", WEIGHT_NORMS)
def test_the_gradient_of_weight_norms_is_orthogonal_to_the_weights(kind: str) -> None:
    layer, x = dense(kind, float64(1, 6, 8)), float64(1, 5, 6)
    _, tape = layer.forward(x, training=True)

    gradient = layer.backward(float64(1, 5, 8), tape).by_tensor(layer.weight)["weight"]

    assert gradient.abs().min() > 1e-6
    torch.testing.assert_close((gradient * layer.weight).sum(1), torch.zeros_like(gradient[:, 0]), **CLOSE)


@pytest.mark.usefixtures("no_eps")
def test_the_scale_of_a_unit_has_no_effect_with_batch_norm() -> None:
    layer, x = dense("batch", float64(1, 6, 8)), float64(1, 5, 6)

    stretched = Dense(layer.weight * torch.arange(1.0, 9.0), layer.norm)

    torch.testing.assert_close(pre_activations(stretched, x), pre_activations(layer, x), **CLOSE)


@pytest.mark.usefixtures("no_eps")
@pytest.mark.parametrize("kind", ROW_NORMS)
def test_the_scale_of_a_row_has_no_effect_with_norms_over_rows(kind: str) -> None:
    layer, x = dense(kind, float64(1, 6, 8)), float64(1, 5, 6)

    stretched = x * torch.arange(1.0, 6.0).view(-1, 1)

    torch.testing.assert_close(pre_activations(layer, stretched), pre_activations(layer, x), **CLOSE)


@pytest.mark.parametrize(
    ("kind", "is_blind"),
    [("layer", True), ("group", True), ("rms", False), ("batch", False), ("weight", False), ("none", False)],
)
def test_only_norms_that_centre_rows_are_blind_to_a_vector_added_to_every_column(
    kind: str, is_blind: bool
) -> None:
    layer, x = dense(kind, float64(1, 6, 8)), float64(1, 5, 6)

    moved = Dense(layer.weight + float64(1, 6, 1), layer.norm)

    assert torch.allclose(pre_activations(moved, x), pre_activations(layer, x), **CLOSE) == is_blind


@pytest.mark.parametrize(
    ("kind", "training", "is_alone"),
    [
        *((kind, True, kind not in BATCH_NORMS) for kind in NORMS),
        *((kind, False, True) for kind in NORMS),
    ],
    ids=[f"{kind}-{mode}" for mode in ("training", "evaluation") for kind in NORMS],
)
def test_only_batch_statistics_in_training_let_a_row_depend_on_the_others(
    kind: str, training: bool, is_alone: bool
) -> None:
    layer, x = dense(kind, float64(1, 6, 8)), float64(1, 5, 6)
    others = torch.cat([x[:, :1], float64(1, 4, 6)], 1)

    first, second = (pre_activations(layer, rows, training)[:, 0] for rows in (x, others))

    assert torch.allclose(first, second, **CLOSE) == is_alone
