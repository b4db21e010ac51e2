"""A net is exported with a receipt, which compares the outputs of the file with those of the service."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.conftest import serving
from tests.api.work import problem
from tests.pages import Page, module_of

_, BLOCK = Page("docs/api.md").blocks("python")
PATHS = ("export", "export?format=onnx", "export/receipt")
SMALL: dict[str, Any] = {"n_units": 16, "steps": 50, "eval_every": 50, "checkpoint_every": 50}
LEFT: dict[str, dict[str, str]] = {"weight": {}, "layer": {"hidden1": "layer"}}


@pytest.fixture(scope="module")
def here(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}"


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["weight", "layer"])
def test_a_receipt_says_how_close_a_file_is_to_the_service(
    sqlite_client: TestClient, digits: Digits, norm: str
) -> None:
    job = work.trained(sqlite_client, digits, norm=norm, init=True, **SMALL)
    images = digits.test.images[:1000].numpy()
    session = onnxruntime.InferenceSession(sqlite_client.get(f"/jobs/{job['id']}/export?format=onnx").content)

    receipt = sqlite_client.get(f"/jobs/{job['id']}/export/receipt").json()

    [found] = session.run(["logits"], {"pixels": images})
    body = {"images": images[:200].tolist(), "return": ["logits"], "top_k": 1}
    read = sqlite_client.post(f"/jobs/{job['id']}/predict", json=body).json()["predictions"]
    np.testing.assert_allclose(found[:200], [each["logits"] for each in read], 1e-4, 1e-4)
    assert found[:200].argmax(1).tolist() == [each["digit"] for each in read]
    assert (receipt["n"], receipt["n_same_digit"], receipt["step"]) == (1000, 1000, 50)
    assert receipt["weights_sha256"] == job["weights_sha256"]
    assert 0 <= receipt["max_probability_difference"] < 1e-5
    assert 0 <= receipt["max_logit_difference"] < 1e-4
    assert receipt["norms_left"] == LEFT[norm]


def test_both_files_have_the_spec_and_the_receipt(trained: TestClient, here: str) -> None:
    receipt = trained.get(f"{here}/export/receipt").json()

    answers = [trained.get(receipt["links"][each]) for each in ("safetensors", "onnx")]

    model = onnx.load_from_string(answers[1].content)
    length = int.from_bytes(answers[0].content[:8], "little")
    header = json.loads(answers[0].content[8 : 8 + length])["__metadata__"]
    spec = json.loads(header["spec"])
    properties = {each.key: json.loads(each.value) for each in model.metadata_props}
    export = spec.pop("export")
    assert properties == {"spec": spec, "export": export}
    assert (spec["norm"], export.pop("weights_sha256")) == ("weight", receipt["weights_sha256"])
    assert export.pop("release") == trained.get("/version").json()["normserve"]
    assert {name: receipt[name] for name in export} == export
    assert {*load(answers[0].content)} == {"hidden1.weight", "hidden1.shift", "output.weight", "output.shift"}


def test_the_format_follows_the_query_or_accept(trained: TestClient, here: str) -> None:
    asked = [({}, {}), ({"format": "onnx"}, {}), ({}, {"Accept": "application/octet-stream"})]

    answers = [trained.get(f"{here}/export", params=params, headers=headers) for params, headers in asked]

    assert [answer.headers["Content-Type"] for answer in answers] == [
        "application/vnd.safetensors",
        "application/octet-stream",
        "application/octet-stream",
    ]
    assert answers[1].content == answers[2].content
    assert len({answer.headers["ETag"] for answer in answers}) == 2
    assert {answer.headers["Vary"] for answer in answers} == {"Accept, Accept-Encoding"}


@pytest.mark.slow
def test_a_part_of_a_file_is_sent(trained: TestClient, here: str) -> None:
    whole = trained.get(f"{here}/export?format=onnx")

    part = trained.get(f"{here}/export?format=onnx", headers={"Range": "bytes=10-19"})
    outside = trained.get(f"{here}/export?format=onnx", headers={"Range": "bytes=99999999-"})

    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    assert part.headers["ETag"] == whole.headers["ETag"]
    assert problem(outside) == (416, "range-not-satisfiable", [])


@pytest.mark.slow
def test_a_client_that_has_it_is_told_so_without_a_computation(
    sqlite_client: TestClient, digits: Digits, tmp_path: Path
) -> None:
    job = work.trained(sqlite_client, digits, **SMALL)
    addresses = [f"/jobs/{job['id']}/{path}" for path in PATHS]
    first = [sqlite_client.get(address) for address in addresses]
    work.store_weights(sqlite_client, job["id"], b"damaged")

    with serving(f"sqlite:///{tmp_path / 'normserve.db'}", tmp_path) as another:
        unknown = [another.get(address) for address in addresses]
        known = [
            another.get(address, headers={"If-None-Match": answer.headers["ETag"], "Range": "bytes=0-1"})
            for address, answer in zip(addresses, first, strict=True)
        ]

    assert [problem(answer) for answer in unknown] == [(409, "checkpoint-corrupt", [])] * len(PATHS)
    assert [(answer.status_code, answer.content) for answer in known] == [(304, b"")] * len(PATHS)


def test_a_job_without_a_checkpoint_is_not_ready(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)

    answers = [sqlite_client.get(f"/jobs/{job['id']}/{path}") for path in PATHS]

    assert [problem(answer) for answer in answers] == [(409, "model-not-ready", [])] * len(PATHS)


def test_the_block_of_the_docs_finds_the_digits_that_the_service_predicts(
    trained: TestClient, here: str, digits: Digits, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(trained.get(f"{here}/export?format=onnx").content)
    block = module_of(BLOCK, tmp_path)
    images = (digits.test.images[:200] * 255).round().numpy().reshape(-1, 28, 28)

    found, probabilities = block.read_digits(tmp_path / "net.onnx", images)

    body = {"images": images.tolist(), "scale": "byte"}
    read = trained.post(f"{here}/predict", json=body).json()["predictions"]
    assert found.tolist() == [each["digit"] for each in read]
    assert probabilities.tolist() == pytest.approx([each["confidence"] for each in read], abs=1e-5)


@pytest.mark.slow
def test_a_running_job_is_exported_and_says_so(sqlite_client: TestClient, digits: Digits) -> None:
    job = work.begun(sqlite_client, digits, eval_every=1_000_000, checkpoint_every=5)

    receipt = sqlite_client.get(f"/jobs/{job['id']}/export/receipt").json()
    file = sqlite_client.get(f"/jobs/{job['id']}/export")

    assert (receipt["from_running_job"], receipt["step"] % 5) == (True, 0)
    assert file.headers["Cache-Control"] == "no-cache"
    assert file.headers["Content-Disposition"].endswith(f'-step{receipt["step"]}-folded.safetensors"')
