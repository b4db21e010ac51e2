"""A recurrent layer as it starts: its weights given, its norms new."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.nets.lstm import PRODUCTS, RUNNING, Lstm
from models.nets.norm import Norm
from models.nets.norms import NORM_TYPES
from models.specs.datasets import SIDE
from models.specs.facts import NORMS
from models.specs.facts import Norm as NormName
from models.specs.spec import N_IN, TrainSpec

BATCH_GAIN = 0.1
"""Where the gains of batch norm start: 1 would saturate the gates (Cooijmans et al. 2016)."""


def create_lstm(spec: TrainSpec, weights: Mapping[str, Tensor]) -> Lstm:
    """Create the recurrent layer of one run from the weights [fan_in, 4 · cells] of its plan."""
    order = np.arange(N_IN) if spec.sequence == "rows" else np.random.default_rng(SIDE).permutation(N_IN)
    of_input, of_state = (weights[f"lstm1.{part}"].unsqueeze(0) for part in PRODUCTS)
    pixels = torch.from_numpy(order).view(SIDE, SIDE)
    return new_lstm(of_input, of_state, spec.norm, spec.groups, pixels)


def new_lstm(of_input: Tensor, of_state: Tensor, kind: NormName, groups: int, pixels: Tensor) -> Lstm:
    """Create a recurrent layer of these weights [runs, fan_in, 4 · cells]; its norms are new.

    b starts at 0, and at 1 for the forget gates (Jozefowicz et al. 2015).
    """
    cells = of_state.shape[1]
    norm, of_steps = _new_norm(of_input, kind, len(pixels)), _new_norm(of_state, kind, len(pixels)).tensors()
    others = {"state.weight": of_state} | {
        f"state.{name}": each for name, each in of_steps.items() if name != "shift"
    }
    if NORMS[kind].of_cells:
        of_cells = _new_norm(of_state[..., :cells], kind, len(pixels)).tensors()
        others |= {f"cell.{name}": tensor for name, tensor in of_cells.items()}
    layer = Lstm(of_input, norm, others, kind, groups, pixels)
    layer.norm.shift.copy_(layer.start_of_shift())
    return layer


def _new_norm(weight: Tensor, kind: NormName, steps: int) -> Norm:
    """Create a norm of units with running statistics for each step."""
    norm = NORM_TYPES[kind].create(weight, 1)
    if kind == "batch":
        norm.gain.fill_(BATCH_GAIN)
    running = {name: tensor for name, tensor in norm.tensors().items() if name in RUNNING}
    return replace(norm, **{name: tensor.repeat(1, steps, 1) for name, tensor in running.items()})
