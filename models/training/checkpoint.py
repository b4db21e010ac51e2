"""Nets and resume states as safetensors bytes, which are read strictly."""

import hashlib
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.nets.net import Net, assemble
from models.specs.spec import TrainSpec
from models.training.optimizers import initial_state

OPTIMIZER = "optimizer."  # the prefix of the optimizer's tensors


class CheckpointMismatch(ValueError):
    """The bytes do not hold a net of this spec."""


@dataclass(frozen=True)
class ResumeState:
    """Everything that a run needs to continue as if it had never stopped."""

    net: Net
    optimizer_state: dict[str, Tensor]
    """By name, such as `hidden1.weight.velocity`."""
    step: int
    elapsed_seconds: float


def sha256(data: bytes) -> str:
    """Return the sha256 of bytes as hex digits."""
    return hashlib.sha256(data).hexdigest()


def dump_net(net: Net, spec: TrainSpec) -> bytes:
    """Serialise a net of one run; equal nets of equal specs give equal bytes."""
    return save(unstacked(net), metadata={"spec": spec.canonical_json()})


def load_net(data: bytes, spec: TrainSpec) -> Net:
    """Return the net of one run; raise CheckpointMismatch if names, shapes or dtypes do not fit the spec."""
    return _restore(_parse(data), spec)


def dump_resume_state(state: ResumeState) -> bytes:
    """Serialise the resume state of one run."""
    progress = {
        "step": torch.tensor(state.step),
        "elapsed_seconds": torch.tensor(state.elapsed_seconds, dtype=torch.float64),
    }
    optimizer = {OPTIMIZER + name: tensor[0].contiguous() for name, tensor in state.optimizer_state.items()}
    return save({**unstacked(state.net), **optimizer, **progress})


def parse_resume_state(data: bytes, spec: TrainSpec) -> ResumeState:
    """Return a resume state; raise CheckpointMismatch if it does not fit the spec."""
    tensors = _parse(data)
    try:
        step, elapsed = int(tensors.pop("step")), float(tensors.pop("elapsed_seconds"))
    except (KeyError, RuntimeError) as error:
        raise CheckpointMismatch("the resume state has no step or no elapsed time") from error
    optimizer = {name: tensors.pop(name) for name in list(tensors) if name.startswith(OPTIMIZER)}
    net = _restore(tensors, spec)
    return ResumeState(net, _restore_optimizer_state(optimizer, spec, net), step, elapsed)


def _restore_optimizer_state(tensors: dict[str, Tensor], spec: TrainSpec, net: Net) -> dict[str, Tensor]:
    restored = {name.removeprefix(OPTIMIZER): tensor.unsqueeze(0) for name, tensor in tensors.items()}
    if _shapes(restored) != _shapes(initial_state(spec, net)):
        raise CheckpointMismatch("the optimizer state in the resume state does not fit the spec")
    return restored


def unstacked(net: Net) -> dict[str, Tensor]:
    """Return the tensors of a net of one run by name, as files have them: without the run axis."""
    return {
        name: (tensor[0] if name.endswith(".weight") or tensor.shape[1] > 1 else tensor[0, 0]).contiguous()
        for name, tensor in net.tensors().items()
    }


def _parse(data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:
        raise CheckpointMismatch("the bytes are not a safetensors file") from error


def _restore(tensors: dict[str, Tensor], spec: TrainSpec) -> Net:
    plan = [layer for layer in spec.plan() if layer.fan_in]
    weights = {layer.name: tensors.get(f"{layer.name}.weight", torch.empty(0)) for layer in plan}
    if any(weights[layer.name].shape != (layer.fan_in, layer.n_units) for layer in plan):
        raise CheckpointMismatch("a weight is missing or does not have the shape of the spec")
    net = assemble(spec, weights)
    if _shapes(tensors) != _shapes(unstacked(net)):
        raise CheckpointMismatch("names, shapes or dtypes of the tensors do not fit the spec")
    for name, tensor in net.tensors().items():
        tensor.copy_(tensors[name].view_as(tensor))
    return net


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
