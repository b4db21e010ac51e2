"""The start of a run: its net as drawn from its seed, before data-dependent initialisation."""

import torch
from torch import Tensor

from models.nets.net import Net, assemble
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.streams import Purpose, draw_truncated_normal, init_digest


def build(spec: TrainSpec) -> tuple[Net, str]:
    """Draw the net of a spec, of one run; return it with the sha256 of its standard draws."""
    plan = [layer for layer in spec.plan() if layer.fan_in]
    draws = {
        layer.name: draw_truncated_normal(spec.seed, Purpose.WEIGHTS, number, (layer.fan_in, layer.n_units))
        for number, layer in enumerate(plan)
    }
    digest = init_digest(draws.values())
    net = assemble(spec, {name: draw.mul_(spec.weight_std) for name, draw in draws.items()})
    for number, layer in enumerate(plan):
        if NORMS[layer.norm].of_weights and spec.g_init != "norm":
            net.tensors()[f"{layer.name}.gain"].copy_(_gain(spec, number, layer.n_units))
    return net, digest


def _gain(spec: TrainSpec, number: int, n_units: int) -> Tensor:
    """Return the gains [1, n_units] of a weight norm: ones, or, as in the memo's code, drawn like weights."""
    if spec.g_init == "one":
        return torch.ones(1, n_units)
    return draw_truncated_normal(spec.seed, Purpose.GAINS, number, (1, n_units)) * spec.weight_std
