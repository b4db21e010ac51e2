"""docs/science.md lists what norms compute and store, and its reader predicts as the service does."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.digits import Digits
from models.nets.norms import NORM_TYPES
from models.specs.facts import NORMS, Norm
from models.specs.spec import TrainSpec
from models.training.checkpoint import dump_net
from models.training.loop import Run, Training
from models.training.start import build
from service.serving.exports import fold_norms, write_safetensors
from service.serving.nets import forward, read_net
from tests.pages import Page, module_of

Predict = Callable[[Path, np.ndarray], np.ndarray]

SCIENCE = Page("docs/science.md")
[READER] = SCIENCE.blocks("python")
WITHIN = 1e-6
SMALL: dict[str, Any] = {"n_units": 16, "steps": 40}
IN_GROUPS = [norm for norm, facts in NORMS.items() if facts.in_groups]
OF_WEIGHTS = [norm for norm, facts in NORMS.items() if facts.of_weights]
NORMALISED = [norm for norm in NORMS if norm != "none"]
SPECS: list[dict[str, Any]] = [
    *({"norm": norm, "init": init} for norm in NORMS for init in (False, True)),
    *({"norm": norm, "scope": scope, "groups": 2} for norm in IN_GROUPS for scope in ("hidden", "all")),
    *({"norm": norm, "groups": groups} for norm in IN_GROUPS for groups in (1, 4)),
    *({"norm": norm, "scope": "all"} for norm in NORMALISED if norm not in IN_GROUPS),
    *({"norm": norm, "scope": "hidden"} for norm in OF_WEIGHTS),
    *({"norm": norm, "g_init": g_init} for norm in OF_WEIGHTS for g_init in ("one", "random")),
    *({"norm": norm, "activation": name, "n_hidden": 3} for norm in NORMS for name in ("tanh", "sigmoid")),
    *({"norm": norm, "n_hidden": 8, "init": True} for norm in NORMS),
    *({"norm": norm, "weight_std": 0.0001, "optimizer": "adam", "learning_rate": 1e-4} for norm in NORMS),
]


@pytest.mark.parametrize("norm", NORMS)
def test_the_rows_of_a_norm_are_its_facts(norm: Norm) -> None:
    facts, letters = NORMS[norm], {tensor.name: tensor.letter for tensor in NORMS[norm].tensors}
    stored = ("weight", "gain", "shift", "running_mean", "running_var")
    kind, formula, paper = SCIENCE.rows("Norms")[norm]
    *shown, epsilon, running_rate = SCIENCE.rows("Read the weights")[norm]
    statistics = SCIENCE.rows("Nets").get(norm)

    assert (kind, formula) == (f"`{NORM_TYPES[norm].__name__}`", facts.formula.replace(";  ", "; "))
    assert statistics == (facts.statistics and list(facts.statistics.values()))
    assert facts.paper is None or facts.paper.arxiv in paper or "the same" in paper
    assert dict(zip(stored, shown, strict=True)) == {**dict.fromkeys(stored, "–"), **letters}
    assert epsilon in {"–", f"1e-5, {facts.epsilon_place}"}
    assert number(epsilon.partition(",")[0]) == facts.epsilon
    assert number(running_rate) == facts.running_rate


def test_the_docs_name_the_norms_that_normalise_all_layers_by_default() -> None:
    [line] = [line for line in SCIENCE.prose.splitlines() if "normalise all layers" in line]
    row = " ".join(Page("docs/api.md").rows("Submit a job")["scope"])

    named = [{name for name in NORMS if f"`{name}`" in text} for text in (line, row)]

    assert named == [{name for name, facts in NORMS.items() if facts.scope == "all"}] * 2


def number(cell: str) -> float | None:
    return None if cell == "–" else float(cell)


def test_a_tensor_has_a_row_with_its_shape() -> None:
    rows = SCIENCE.rows("Read the weights")
    tensors = {tensor.name: tensor.shape for facts in NORMS.values() for tensor in facts.tensors}

    shown = {name: rows[f"hidden1.{name}"][0] for name in tensors}

    assert shown == {name: f"[{', '.join(shape)}]" for name, shape in tensors.items()}


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    """The block of the page, as a module of its own."""
    reader = module_of(READER, tmp_path)
    found: Predict = reader.predict
    return found


def test_the_reader_has_at_most_20_lines_and_needs_numpy_and_safetensors_only() -> None:
    imports = [node for node in ast.walk(ast.parse(READER.text)) if isinstance(node, ast.Import)]

    assert len([line for line in READER.text.splitlines() if line]) <= 20
    assert [alias.name for node in imports for alias in node.names] == ["json", "numpy", "safetensors"]
    assert not [node for node in ast.walk(ast.parse(READER.text)) if isinstance(node, ast.ImportFrom)]


@pytest.mark.slow
@pytest.mark.parametrize("fields", SPECS, ids=lambda fields: "-".join(map(str, fields.values())))
def test_a_trained_net_predicts_the_same(
    fields: dict[str, Any], digits: Digits, predict: Predict, tmp_path: Path
) -> None:
    spec = TrainSpec.model_validate({**SMALL, **fields})
    [*_, [last]] = Training([Run(spec)], digits).spans()

    assert_same(last.checkpoints[-1].weights, spec, digits, predict, tmp_path)


@pytest.mark.parametrize("length", [0, 2.0**-100], ids=["none", "tiny"])
@pytest.mark.parametrize("norm", OF_WEIGHTS)
def test_weights_without_or_almost_without_a_length_predict_the_same(
    norm: Norm, length: float, digits: Digits, predict: Predict, tmp_path: Path
) -> None:
    spec = TrainSpec(norm=norm, n_units=16)
    net, _ = build(spec)
    net.layers["hidden1"].weight[..., :4] *= length

    assert_same(dump_net(net, spec), spec, digits, predict, tmp_path)


@pytest.mark.parametrize("norm", NORMS)
def test_an_exported_net_predicts_the_same(
    norm: Norm, digits: Digits, predict: Predict, tmp_path: Path
) -> None:
    spec = TrainSpec(norm=norm, init=True, **SMALL)
    [*_, [last]] = Training([Run(spec)], digits).spans()
    net = read_net(last.checkpoints[-1].weights, spec.model_dump())
    path = tmp_path / "net.safetensors"
    path.write_bytes(write_safetensors(fold_norms(net), spec.model_dump(), {"n": 1000}))
    images = digits.test.images[:100].numpy()

    found = predict(path, images)

    assert np.abs(found - forward(net, images)[1]).max() < WITHIN


def assert_same(weights: bytes, spec: TrainSpec, digits: Digits, predict: Predict, folder: Path) -> None:
    """Compare the reader with the service on test images."""
    images = digits.test.images[:100].numpy()
    (folder / "net.safetensors").write_bytes(weights)
    _, served = forward(read_net(weights, spec.model_dump()), images)

    found = predict(folder / "net.safetensors", images)

    assert np.abs(found - served).max() < WITHIN
