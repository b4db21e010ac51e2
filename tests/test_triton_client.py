"""NVIDIA's client of the inference protocol, unchanged, against a live service."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.process import Service

HALF = np.full((2, 784), 0.5, np.float32)


@pytest.fixture
def served(service: Service) -> Iterator[tuple[str, str]]:
    """A job that has trained, and the name of a model that serves it."""
    job = service.finished(service.submit(norm="weight", init=True, steps=20))
    service.client.put("/models/triton", json={"job": job["id"]}).raise_for_status()
    yield job["id"], "triton"
    service.client.delete("/models/triton").raise_for_status()


@pytest.fixture
def triton(service: Service) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        yield client


def pixels(values: np.ndarray, datatype: str, binary: bool) -> InferInput:
    given = InferInput("pixels", list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


def test_the_client_of_triton_works_unchanged(
    service: Service, triton: InferenceServerClient, served: tuple[str, str]
) -> None:
    job_id, name = served
    assert (triton.is_server_live(), triton.is_server_ready()) == (True, True)
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    assert {name, job_id} <= {each["name"] for each in triton.get_model_repository_index()}
    assert (triton.is_model_ready(name), triton.is_model_ready(name, "1")) == (True, True)
    assert (triton.is_model_ready("nothing"), triton.is_model_ready(name, "2")) == (False, False)
    metadata: dict[str, Any] = triton.get_model_metadata(name)
    assert (metadata["versions"], metadata["inputs"][0]["shape"]) == (["1"], [-1, 784])
    expected = service.client.post(
        f"/jobs/{job_id}/predict", json={"images": HALF.tolist(), "return": ["probabilities"]}
    ).json()["predictions"]

    found = {
        (binary_in, binary_out, datatype): triton.infer(
            model,
            [pixels(HALF if datatype == "FP32" else np.full((2, 784), 128, np.uint8), datatype, binary_in)],
            outputs=[
                InferRequestedOutput("digit", binary_data=binary_out),
                InferRequestedOutput("probabilities", binary_data=binary_out),
            ],
            request_id="ä",
        )
        for binary_in in (True, False)
        for binary_out in (True, False)
        for datatype, model in (("FP32", name), ("UINT8", job_id))
    }

    for (_, _, datatype), answer in found.items():
        assert answer.get_response()["id"] == "ä"
        assert answer.as_numpy("digit").dtype == np.int64
        if datatype == "FP32":
            rows = [row["probabilities"] for row in expected]
            assert answer.as_numpy("probabilities").tolist() == rows
            assert answer.as_numpy("digit").tolist() == [row["digit"] for row in expected]
    everything = triton.infer(name, [pixels(HALF.reshape(2, 1, 28, 28), "FP32", True)])
    assert everything.as_numpy("logits").shape == (2, 10)
    classes = triton.infer(
        name,
        [pixels(HALF, "FP32", True)],
        outputs=[InferRequestedOutput("probabilities", class_count=3)],
    ).as_numpy("probabilities")
    assert classes.shape == (2, 3)
    assert [int(text.split(b":")[2]) for text in classes[:, 0]] == [row["digit"] for row in expected]
    [stats] = triton.get_inference_statistics(name)["model_stats"]
    assert stats["inference_stats"]["success"]["count"] == 6
    assert triton.infer(name, [pixels(HALF, "FP32", False)], model_version="1").as_numpy("digit").size == 2


@pytest.mark.parametrize(
    ("model", "values", "datatype", "status", "words"),
    [
        ("nothing", HALF, "FP32", "404", "no model with this name"),
        ("triton", HALF[:, :700], "FP32", "400", "must be [n, 784]"),
        ("triton", HALF.astype(np.float64), "FP64", "400", "must be FP32 or UINT8"),
    ],
    ids=["model", "shape", "datatype"],
)
@pytest.mark.usefixtures("served")
def test_the_client_of_triton_shows_errors(
    triton: InferenceServerClient, model: str, values: np.ndarray, datatype: str, status: str, words: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        triton.infer(model, [pixels(values, datatype, True)])

    assert (caught.value.status(), words in caught.value.message()) == (status, True)
