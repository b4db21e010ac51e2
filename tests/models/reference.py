"""The float64 reference vectors, with the names of this project."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.nets.layers import Dense
from models.nets.net import Net
from models.nets.norm import Norm
from models.nets.norms import NORM_TYPES

VECTORS = json.loads((Path(__file__).parents[1] / "reference" / "vectors.json").read_text())
NAMES = {"W": "weight", "v": "weight", "g": "gain", "gamma": "gain", "b": "shift", "beta": "shift"}
BUFFERS = {"mean": "running_mean", "var": "running_var"}


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rename(params: dict[str, Any], buffers: dict[str, Any] | None = None) -> dict[str, Tensor]:
    """Our names, with the run axis: weights [1, n_in, n_units], the others [1, 1, n_units]."""
    named = {NAMES[key]: tensor(value) for key, value in params.items()}
    named |= {BUFFERS[key]: tensor(value) for key, value in (buffers or {}).items()}
    return {
        key: value.reshape((1, *value.shape) if key == "weight" else (1, 1, -1))
        for key, value in named.items()
    }


def dense(kind: str, params: dict[str, Any], buffers: dict[str, Any] | None = None) -> Dense:
    tensors = rename(params, buffers)
    weight = tensors.pop("weight")
    norm: Norm = NORM_TYPES[kind].create(weight, VECTORS["conventions"]["groups"])
    for name, value in norm.tensors().items():
        value.copy_(tensors.get(name, value))
    return Dense(weight, norm)


def net(case: dict[str, Any]) -> Net:
    kinds = (case["hidden"], case["output"])
    layers = zip(("hidden1", "output"), kinds, case["params_before"], case["buffers_before"], strict=True)
    return Net(
        {name: dense(kind, params, buffers) for name, kind, params, buffers in layers}, case["activation"]
    )


def cases(part: str, kind_key: str = "kind") -> list[dict[str, Any]]:
    return [case for case in VECTORS[part] if case[kind_key] in NORM_TYPES]
