"""The digest of the kernels: it is equal only where all bits are, whatever MKL, torch and numpy choose."""

import os
import subprocess
import sys
from typing import Any

import pytest

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from models.training.kernels import kernels_sha256
from models.training.loop import Run, Training
from tests.models.test_bits import COMPUTE_NOTHING, OPTIONS, Seen

CHOICES = [
    {},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    {"MKL_CBWR": "COMPATIBLE"},
    {"MKL_CBWR": "AVX2"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"ATEN_CPU_CAPABILITY": "default"},
    {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"},
]
COPY = {"index_select", "stack"}
TRAIN_IN_A_FRESH_PROCESS = """
import torch
from models.data.digits import Digits, Split
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.kernels import kernels_sha256
from models.training.loop import Run, Training, prepare_thread
prepare_thread()
images = torch.arange(256 * 784).mul(2_654_435_761).remainder(256).float().div(256).view(256, 784)
split = Split(images, torch.arange(256) % 10)
digits = Digits(split, split, split, "")
weights = []
sizes = [{}, {"n_units": 24, "batch_size": 37, "n_hidden": 2, "activation": "tanh", "optimizer": "adam"}]
for norm in NORMS:
    for size in sizes:
        for stacked in (1, 2):
            spec = TrainSpec(norm=norm, init=True, steps=3, **size)
            cohort = [Run(spec.model_copy(update={"seed": seed})) for seed in range(stacked)]
            [*_, last] = Training(cohort, digits).spans()
            weights.append([span.checkpoints[-1].weights_sha256 for span in last])
print(kernels_sha256(), weights)
"""


def trained_with(choice: dict[str, str]) -> tuple[str, str]:
    """The digest of the kernels, and the weights of short runs, where libraries are told what to choose."""
    environment = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    command = [sys.executable, "-W", "ignore", "-c", TRAIN_IN_A_FRESH_PROCESS]
    done = subprocess.run(command, env={**environment, **choice}, capture_output=True, text=True, check=True)
    digest, _, weights = done.stdout.partition(" ")
    return digest, weights


def assert_equal_digests_mean_equal_weights(choices: list[dict[str, str]]) -> None:
    found = {trained_with(choice) for choice in choices}

    assert len({digest for digest, _ in found}) == len(found) > 1


@pytest.mark.slow
def test_equal_digests_mean_equal_weights() -> None:
    assert_equal_digests_mean_equal_weights(CHOICES[::3])


@pytest.mark.long
def test_equal_digests_mean_equal_weights_whatever_libraries_choose() -> None:
    assert_equal_digests_mean_equal_weights(CHOICES)


@pytest.mark.slow
def test_a_digest_is_the_same_again(digits: Digits) -> None:  # noqa: ARG001 # loading it prepares the thread
    assert kernels_sha256() == kernels_sha256()


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_operation_of_training_is_in_the_digest(options: dict[str, Any], digits: Digits) -> None:
    training = Training([Run(TrainSpec(n_units=16, steps=1, **options))], digits)
    with Seen() as digested:
        kernels_sha256()

    with Seen() as used:
        next(training.spans())

    assert used.names - digested.names - COMPUTE_NOTHING - COPY == set()
