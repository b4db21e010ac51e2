"""The nets of the papers, trained through the API."""

from typing import Any

import pytest

from tests.process import Service

# Ioffe & Szegedy 2015, section 4.1; Ba, Kiros & Hinton 2016, section 6.6.
BATCH_NORM_PAPER = {
    "norm": "batch",
    "n_hidden": 3,
    "n_units": 100,
    "activation": "sigmoid",
    "batch_size": 60,
    "learning_rate": 0.5,
}
LAYER_NORM_PAPER = {"norm": "layer", "n_hidden": 2, "n_units": 1000, "optimizer": "adam"}
NETS = {
    "batch norm paper": BATCH_NORM_PAPER,
    "layer norm paper": {**LAYER_NORM_PAPER, "learning_rate": 0.001, "batch_size": 128},
    "layer norm paper, small batches": {**LAYER_NORM_PAPER, "learning_rate": 0.0001, "batch_size": 4},
}
STEPS = 150


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_the_nets_of_the_papers_learn(service: Service, net: dict[str, Any]) -> None:
    job = service.finished(service.submit(**net, steps=STEPS, eval_every=STEPS))

    rows = service.rows(job["id"])
    assert job["status"] == "succeeded"
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows[-1]["test_accuracy"] > 0.6
