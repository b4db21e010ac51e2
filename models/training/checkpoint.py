"""Nets and resume states as safetensors bytes, read strictly."""

import hashlib
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.nets.net import Net, assemble
from models.specs.spec import TrainSpec
from models.training.optimizers import blank_memory

MEMORY = "optimizer."


class CheckpointMismatch(ValueError):
    """The bytes are not those of a net of this spec."""


@dataclass(frozen=True)
class ResumeState:
    """All that a run needs to go on as if it had never stopped."""

    net: Net
    memory: dict[str, Tensor]
    """What the optimizer remembers."""
    step: int
    elapsed_seconds: float


def sha256(data: bytes) -> str:
    """Answer the sha256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def dump_net(net: Net, spec: TrainSpec) -> bytes:
    """Write the tensors of a net of one run; equal nets of equal specs give equal bytes."""
    return save(_unstacked(net), metadata={"spec": spec.canonical_json()})


def load_net(data: bytes, spec: TrainSpec) -> Net:
    """Read a net of one run; raise CheckpointMismatch unless names, shapes and types are the spec's."""
    return _restore(_parse(data), spec)


def dump_resume_state(state: ResumeState) -> bytes:
    """Write what a run needs to go on."""
    progress = {
        "step": torch.tensor(state.step),
        "elapsed_seconds": torch.tensor(state.elapsed_seconds, dtype=torch.float64),
    }
    memory = {MEMORY + name: tensor[0].contiguous() for name, tensor in state.memory.items()}
    return save({**_unstacked(state.net), **memory, **progress})


def load_resume_state(data: bytes, spec: TrainSpec) -> ResumeState:
    """Read a resume state; raise CheckpointMismatch unless it is one of this spec."""
    tensors = _parse(data)
    try:
        step, elapsed = int(tensors.pop("step")), float(tensors.pop("elapsed_seconds"))
    except (KeyError, RuntimeError) as error:
        raise CheckpointMismatch("the resume state has no step or no elapsed time") from error
    memory = {name: tensors.pop(name) for name in list(tensors) if name.startswith(MEMORY)}
    net = _restore(tensors, spec)
    return ResumeState(net, _restore_memory(memory, spec, net), step, elapsed)


def _restore_memory(memory: dict[str, Tensor], spec: TrainSpec, net: Net) -> dict[str, Tensor]:
    restored = {name.removeprefix(MEMORY): tensor.unsqueeze(0) for name, tensor in memory.items()}
    if _shapes(restored) != _shapes(blank_memory(spec, net)):
        raise CheckpointMismatch("the resume state does not hold what the optimizer remembers")
    return restored


def _unstacked(net: Net) -> dict[str, Tensor]:
    return {
        name: (tensor[0] if name.endswith(".weight") else tensor[0, 0]).contiguous()
        for name, tensor in net.tensors().items()
    }


def _parse(data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:
        raise CheckpointMismatch("the bytes are not a safetensors file") from error


def _restore(tensors: dict[str, Tensor], spec: TrainSpec) -> Net:
    plan = spec.plan()
    weights = [tensors.get(f"{layer.name}.weight", torch.empty(0)) for layer in plan]
    if [weight.shape for weight in weights] != [(layer.fan_in, layer.n_units) for layer in plan]:
        raise CheckpointMismatch("the weights do not have the shapes of the spec")
    try:
        net = assemble(spec, weights)
    except ValueError as error:
        raise CheckpointMismatch(str(error)) from error
    if _shapes(tensors) != _shapes(_unstacked(net)):
        raise CheckpointMismatch("names, shapes or types of the tensors are not those of the spec")
    for name, tensor in net.tensors().items():
        tensor.copy_(tensors[name].view_as(tensor))
    return net


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
