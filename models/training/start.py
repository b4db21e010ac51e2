"""The start of a run: its net as drawn from its seed, before any data-dependent initialisation."""

import torch
from torch import Tensor

from models.nets.net import Net, assemble
from models.nets.weight_norms import WeightNorm
from models.specs.spec import TrainSpec
from models.training.streams import Purpose, init_digest, standard_draw


def build(spec: TrainSpec) -> tuple[Net, str]:
    """Draw the net of a spec, before any data-dependent init, and the digest of its standard draw."""
    draws = [
        standard_draw(spec.seed, Purpose.WEIGHTS, number, (layer.fan_in, layer.n_units))
        for number, layer in enumerate(spec.plan())
    ]
    digest = init_digest(draws)
    net = assemble(spec, [draw.mul_(spec.weight_std) for draw in draws])
    for number, layer in enumerate(net.layers.values()):
        if isinstance(layer.norm, WeightNorm) and spec.g_init != "norm":
            layer.norm.gain.copy_(_gain(spec, number, layer.norm.gain.shape[2]))
    return net, digest


def _gain(spec: TrainSpec, layer: int, n_units: int) -> Tensor:
    """Start the gains of Weight Normalization at one, or, as in the memo, drawn like a weight."""
    if spec.g_init == "one":
        return torch.ones(1, n_units)
    return standard_draw(spec.seed, Purpose.GAINS, layer, (1, n_units)) * spec.weight_std
