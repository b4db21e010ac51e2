"""Checkpoints and resume states: equal nets have equal bytes, and bytes that do not fit are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from models.specs.facts import NORMS, Norm
from models.specs.spec import TrainSpec
from models.training.checkpoint import (
    CheckpointMismatch,
    ResumeState,
    dump_net,
    dump_resume_state,
    load_net,
    parse_resume_state,
)
from models.training.optimizers import initial_state
from models.training.start import build

SPEC = TrainSpec(norm="batch", n_units=4)


@pytest.mark.parametrize("norm", NORMS)
def test_a_net_is_restored_exactly(norm: Norm) -> None:
    spec = TrainSpec(norm=norm, n_units=16)
    net = build(spec)[0].map(lambda tensor: tensor + 0.5)

    again = load_net(dump_net(net, spec), spec)

    assert_close(again.tensors(), net.tensors(), rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_resume_state_is_restored_exactly(optimizer: str) -> None:
    spec = SPEC.model_copy(update={"optimizer": optimizer})
    net, _ = build(spec)
    optimizer_state = {name: tensor + 0.5 for name, tensor in initial_state(spec, net).items()}

    state = parse_resume_state(dump_resume_state(ResumeState(net, optimizer_state, 17, 0.25)), spec)

    assert (state.step, state.elapsed_seconds) == (17, 0.25)
    assert_close(state.net.tensors(), net.tensors(), rtol=0, atol=0)
    assert_close(state.optimizer_state, optimizer_state, rtol=0, atol=0)


def test_a_resume_state_without_its_optimizer_state_is_refused() -> None:
    spec = SPEC.model_copy(update={"optimizer": "adam"})
    net, _ = build(spec)

    with pytest.raises(CheckpointMismatch, match="optimizer"):
        parse_resume_state(dump_resume_state(ResumeState(net, {}, 17, 0.25)), spec)


def test_equal_nets_have_equal_bytes() -> None:
    assert dump_net(build(SPEC)[0], SPEC) == dump_net(build(SPEC)[0], SPEC)


@pytest.mark.parametrize(
    "other",
    [SPEC.model_copy(update={"norm": "layer"}), SPEC.model_copy(update={"n_units": 5})],
    ids=["norm", "units"],
)
def test_a_net_of_another_spec_is_refused(other: TrainSpec) -> None:
    with pytest.raises(CheckpointMismatch):
        load_net(dump_net(build(other)[0], other), SPEC)


def test_a_net_is_no_resume_state() -> None:
    with pytest.raises(CheckpointMismatch, match="step"):
        parse_resume_state(dump_net(build(SPEC)[0], SPEC), SPEC)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_safetensors_file_are_refused(data: bytes) -> None:
    with pytest.raises(CheckpointMismatch):
        load_net(data, SPEC)
