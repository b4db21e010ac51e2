"""The float64 reference vectors of the other nets, with the names of this project."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.nets.init import LayerInit, initialise
from models.nets.layers import Layer
from models.nets.lstm_start import new_lstm
from models.nets.net import LAYER_TYPES, Net, loss_and_accuracy, stack, targets_of
from models.nets.norms import NORM_TYPES
from models.specs.facts import NORMS
from models.specs.plan import ConvWindow, LayerPlan
from models.specs.spec import TrainSpec
from models.training.checkpoint import unstacked
from models.training.start import build
from tests.models.reference import tensor

FOLDER = Path(__file__).parents[1] / "reference"
VECTORS = json.loads((FOLDER / "vectors_nets.json").read_text())
PERMUTATION = json.loads((FOLDER / "permutation.json").read_text())["order"]

IN_SCOPES = [
    (norm, scope) for norm, scope in product(NORMS, ("hidden", "all")) if norm != "none" or scope == "hidden"
]
"""The norms with every scope that they may have."""

Named = dict[str, dict[str, Any]]


def flat(named: Named) -> dict[str, Tensor]:
    """Tensors by name, such as `conv1.weight`, as files have them: without the run axis."""
    return {f"{layer}.{key}": tensor(value) for layer, own in named.items() for key, value in own.items()}


def gradients_of(net: Net, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The gradient of every tensor by name, with the run axis."""
    result = net.backpropagate(x, targets_of(labels, net.layers["output"].weight.shape[2], torch.float64))
    return {
        f"{name}.{key}": gradient
        for (name, layer), own in zip(net.layers.items(), result.gradients, strict=True)
        for key, gradient in own.by_tensor(layer.weight).items()
    }


def check_case(case: dict[str, Any], net: Net, **close: Any) -> None:
    """Compare what a net computes with all that a case expects."""
    expect, (x, labels) = case["expect"], inputs(case)
    if case["spec"]["init"]:
        check_init(expect, initialise(net, x), net, **close)

    gradients = gradients_of(net, x, labels)
    running = {name: value for name, value in unstacked(net).items() if "running" in name}
    logits, _ = net.map(Tensor.clone).forward(x, training=True)
    evaluated, _ = net.forward(x, training=False)

    torch.testing.assert_close(logits[0], tensor(expect["logits"]), **close)
    loss, _ = loss_and_accuracy(logits.log_softmax(-1), labels)
    torch.testing.assert_close(loss.item(), expect["loss"], **close)
    expected = flat(expect["gradients"])
    found = {name: value.reshape(expected[name].shape) for name, value in gradients.items()}
    torch.testing.assert_close(found, expected, **close)
    torch.testing.assert_close(running, flat(expect["running_after"]), **close)
    torch.testing.assert_close(evaluated[0], tensor(expect["evaluation_logits"]), **close)


def check_init(expect: dict[str, Any], report: list[LayerInit], net: Net, **close: Any) -> None:
    after = flat(expect["parameters_after_init"]) | flat(expect["running_after_init"])
    torch.testing.assert_close(unstacked(net), after, **close)
    expected = {name: each for name, each in expect["init_report"].items() if isinstance(each, dict)}
    assert {each.layer: each.degenerate_units for each in report} == {
        name: each["degenerate_units"] for name, each in expected.items()
    }
    for each in report:
        means = [tensor(expected[each.layer][f"z_mean_{when}"]).mean().item() for when in ("before", "after")]
        torch.testing.assert_close([each.z_before.mean, each.z_after.mean], means, rtol=1e-8, atol=1e-8)


def inputs(case: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Images [1, batch, pixels] and labels [1, batch]."""
    given = case["given"]
    return tensor(given["inputs"]).flatten(1).unsqueeze(0), torch.tensor(given["labels"]).unsqueeze(0)


def conv_plan(spec: dict[str, Any]) -> list[LayerPlan]:
    groups, norm, units = spec["groups"] or 1, spec["norm"], spec["n_units"]
    first = ConvWindow(spec["image"][0], 1, spec["kernel_size"], spec["stride"])
    second = first._replace(side=first.side_out, channels=units)
    layers = [
        LayerPlan(name, "conv", window.fan_in, units, norm, groups, window)
        for name, window in (("conv1", first), ("conv2", second))
    ]
    last: Any = norm if spec["scope"] == "all" else "none"
    output = LayerPlan("output", "flattened", layers[-1].n_outputs, spec["n_classes"], last, groups)
    return [*layers, output._replace(input_places=layers[-1].places)]


def given(case: dict[str, Any]) -> dict[str, Tensor]:
    return flat(case["given"]["parameters"]) | flat(case["given"]["running"])


def layer(plan: LayerPlan, weights: dict[str, Tensor]) -> Layer:
    weight = weights[f"{plan.name}.weight"].unsqueeze(0)
    norm = NORM_TYPES[plan.norm].create(weight, plan.groups)
    return LAYER_TYPES[plan.kind].create(plan, weight, norm)


def conv_net(case: dict[str, Any]) -> Net:
    """The net of a case, with all the tensors that it gives."""
    layers = {plan.name: layer(plan, given(case)) for plan in conv_plan(case["spec"])}
    return filled(Net(layers, case["spec"]["activation"]), given(case))


def lstm_net(case: dict[str, Any]) -> Net:
    """The net of a case, with all the tensors that it gives."""
    spec, tensors = case["spec"], given(case)
    of_input, of_state = (tensors[f"lstm1.{part}.weight"].unsqueeze(0) for part in ("input", "state"))
    steps, inputs = spec["image"]
    pixels = torch.arange(steps * inputs).view(steps, inputs)
    last: Any = spec["norm"] if spec["scope"] == "all" else "none"
    output = LayerPlan("output", "dense", spec["n_units"], spec["n_classes"], last, spec["groups"] or 1)
    layers: dict[str, Layer] = {
        "lstm1": new_lstm(of_input, of_state, spec["norm"], spec["groups"] or 1, pixels),
        "output": layer(output, tensors),
    }
    return filled(Net(layers, "relu"), tensors)


def unsettled(tensor: Tensor) -> Tensor:
    """Move a tensor away from the start, where gains are 1 and shifts 0 and mistakes are hidden."""
    return tensor.double() + 0.1 * torch.randn_like(tensor, dtype=torch.float64)


def unsettled_net(spec: TrainSpec, runs: int = 1) -> Net:
    """A stack of unsettled nets in float64, in which values of both signs reach every activation."""
    torch.manual_seed(11)
    return stack([build(spec.model_copy(update={"seed": seed}))[0] for seed in range(runs)]).map(unsettled)


def filled(net: Net, tensors: dict[str, Tensor]) -> Net:
    for name, value in net.tensors().items():
        value.copy_(tensors[name].view_as(value))
    return net


def of_layer(tensors: dict[str, Tensor], layer: str) -> dict[str, Tensor]:
    """The tensors of a layer by their names in it."""
    names = (name.rpartition(".") for name in tensors)
    return {key: tensors[f"{name}.{key}"] for name, _, key in names if name == layer}
