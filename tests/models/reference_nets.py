"""The float64 reference vectors of the other nets, with the names of this project."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.nets.layers import Layer
from models.nets.net import LAYER_TYPES, Net
from models.nets.norms import NORM_TYPES
from models.specs.plan import LayerPlan, Window
from tests.models.reference import tensor

VECTORS = json.loads((Path(__file__).parents[1] / "reference" / "vectors_nets.json").read_text())

Named = dict[str, dict[str, Any]]


def flat(named: Named) -> dict[str, Tensor]:
    """Tensors by name, such as `conv1.weight`, as files have them: without the run axis."""
    return {f"{layer}.{key}": tensor(value) for layer, own in named.items() for key, value in own.items()}


def inputs(case: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Images [1, batch, pixels] and labels [1, batch]."""
    given = case["given"]
    return tensor(given["inputs"]).flatten(1).unsqueeze(0), torch.tensor(given["labels"]).unsqueeze(0)


def conv_plan(spec: dict[str, Any]) -> list[LayerPlan]:
    groups, norm, units = spec["groups"] or 1, spec["norm"], spec["n_units"]
    first = Window(spec["image"][0], 1, spec["kernel_size"], spec["stride"])
    second = first._replace(side=first.side_out, channels=units)
    layers = [
        LayerPlan(name, "conv", window.fan_in, units, norm, groups, window)
        for name, window in (("conv1", first), ("conv2", second))
    ]
    last: Any = norm if spec["scope"] == "all" else "none"
    output = LayerPlan("output", "flattened", layers[-1].n_outputs, spec["n_classes"], last, groups)
    return [*layers, output._replace(input_places=layers[-1].places)]


def conv_net(case: dict[str, Any]) -> Net:
    """The net of a case, with all the tensors that it gives."""
    given = flat(case["given"]["parameters"]) | flat(case["given"]["running"])
    layers: dict[str, Layer] = {}
    for plan in conv_plan(case["spec"]):
        weight = given[f"{plan.name}.weight"].unsqueeze(0)
        norm = NORM_TYPES[plan.norm].create(weight, plan.groups)
        layers[plan.name] = LAYER_TYPES[plan.kind].create(plan, weight, norm)
    net = Net(layers, case["spec"]["activation"])
    for name, value in net.tensors().items():
        value.copy_(given[name].view_as(value))
    return net
