"""The Open Inference Protocol V2: its paths, JSON and binary tensors, classification, and its errors."""

import json
import shutil
import struct
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.conftest import serving

TENSORS = "Inference-Header-Content-Length"
OUTPUTS = ["probabilities", "logits", "digit"]
ALL = {"return": ["probabilities", "logits"]}
HALF = {"name": "pixels", "shape": [1, 784], "datatype": "FP32", "data": [0.5] * 784}


@pytest.fixture(scope="module")
def pixels(digits: Digits) -> np.ndarray:  # (3, 784) float32
    return digits.test.images[:3].numpy()


def named(client: TestClient, job: dict[str, Any]) -> TestClient:
    """The same API, with a name of two versions."""
    for checkpoint in (500, 1000):
        client.put("/models/digits", json={"job": job["id"], "checkpoint": checkpoint}).raise_for_status()
    return client


@pytest.fixture(scope="module")
def oip(
    trained_file: Path, job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """The API with a name of two versions, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("inference")
    path = shutil.copy(trained_file, folder / "normserve.db")
    with serving(f"sqlite:///{path}", folder) as client:
        yield named(client, job)


@pytest.fixture
def own_oip(copied: TestClient, job: dict[str, Any]) -> TestClient:
    """The same for one test, which may change it."""
    return named(copied, job)


def tensor(values: Any, shape: list[int], datatype: str = "FP32") -> dict[str, Any]:
    return {"name": "pixels", "shape": shape, "datatype": datatype, "data": values}


def infer(client: TestClient, path: str = "digits", **request: Any) -> Any:
    return client.post(f"/v2/models/{path}/infer", json=request)


def outputs(answer: Any) -> dict[str, np.ndarray]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json()["outputs"]}


def expected(client: TestClient, job: dict[str, Any], pixels: np.ndarray) -> dict[str, Any]:
    answer = client.post(f"/jobs/{job['id']}/predict", json={"images": pixels.tolist(), **ALL}).json()
    found = answer["predictions"]
    return {name: [each[name] for each in found] for name in OUTPUTS}


def test_the_server_describes_itself(oip: TestClient) -> None:
    found = oip.get("/v2").json()

    assert (found["name"], {*found["extensions"]} >= {"binary_tensor_data", "classification"}) == (
        "normserve",
        True,
    )
    assert oip.get("/v2/health/live").json() == {"live": True}
    assert oip.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize(("path", "is_job"), [("digits", False), ("{id}", True)], ids=["name", "job"])
def test_a_model_describes_itself(oip: TestClient, job: dict[str, Any], path: str, is_job: bool) -> None:
    model, versions = path.format(id=job["id"]), ["500", "1000"] if is_job else ["1", "2"]

    found = oip.get(f"/v2/models/{model}")

    assert found.json() == {
        "name": model,
        "versions": versions,
        "platform": "normserve",
        "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [-1, 784]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
            {"name": "logits", "datatype": "FP32", "shape": [-1, 10]},
            {"name": "digit", "datatype": "INT64", "shape": [-1]},
        ],
    }
    assert oip.get(f"/v2/models/{model}/versions/{versions[0]}").json() == found.json()
    ready = oip.get(f"/v2/models/{model}/versions/{versions[0]}/ready")
    assert ready.json() == {"name": model, "version": versions[0], "ready": True}
    assert oip.get(f"/v2/models/{model}/ready").json()["version"] == versions[1]


def test_names_and_jobs_are_listed(oip: TestClient, job: dict[str, Any]) -> None:
    assert oip.get("/v2/models").json() == {"models": ["digits", job["id"]]}
    for body in (b"", b"{}", b'{"ready": true}'):
        found = oip.post("/v2/repository/index", content=body)
        assert found.json() == [
            {"name": "digits", "version": "2", "state": "READY", "reason": ""},
            {"name": job["id"], "version": "1000", "state": "READY", "reason": ""},
        ]


@pytest.mark.parametrize("shape", [[3, 784], [3, 28, 28], [3, 1, 28, 28], [3, 28, 28, 1]], ids=str)
@pytest.mark.parametrize("kind", ["flat", "nested", "bytes", "UINT8", "UINT8 bytes"])
def test_a_tensor_is_the_same_in_every_form(
    oip: TestClient, job: dict[str, Any], pixels: np.ndarray, shape: list[int], kind: str
) -> None:
    values = (pixels * 255).round().astype(np.uint8) if "UINT8" in kind else pixels
    given = tensor(values.reshape(shape if kind == "nested" else -1).tolist(), shape, "FP32")
    given["datatype"] = "UINT8" if "UINT8" in kind else "FP32"
    after = b""
    if "bytes" in kind:
        after = values.tobytes()
        del given["data"]
        given["parameters"] = {"binary_data_size": len(after)}
    head = orjson.dumps({"inputs": [given]})

    answer = oip.post(
        "/v2/models/digits/infer", content=head + after, headers={TENSORS: str(len(head))} if after else {}
    )

    found = outputs(answer)
    wanted = expected(oip, job, pixels)
    assert list(found) == OUTPUTS
    assert {name: array.tolist() for name, array in found.items()} == wanted
    assert (answer.json()["model_name"], answer.json()["model_version"]) == ("digits", "2")
    types = [(each["datatype"], each["shape"]) for each in answer.json()["outputs"]]
    assert types == [("FP32", [3, 10]), ("FP32", [3, 10]), ("INT64", [3])]


def test_a_version_is_chosen(oip: TestClient, job: dict[str, Any]) -> None:
    answers = [
        infer(oip, path, inputs=[HALF], outputs=[{"name": "logits"}])
        for path in ("digits/versions/1", "digits", f"{job['id']}/versions/500", job["id"])
    ]

    first, newest, at_500, latest = [outputs(answer)["logits"].tolist() for answer in answers]
    assert (first, newest, first == newest) == (at_500, latest, False)
    assert [answer.json()["model_version"] for answer in answers] == ["1", "2", "500", "1000"]


@pytest.mark.parametrize("chosen", [["digit"], ["logits", "probabilities"], ["digit", "logits"]], ids=str)
def test_outputs_are_chosen_and_ordered(oip: TestClient, chosen: list[str]) -> None:
    answer = infer(oip, inputs=[HALF], outputs=[{"name": name} for name in chosen])

    assert list(outputs(answer)) == chosen


@pytest.mark.parametrize("given", ["", "42", "ζ-\U0001f600", "a" * 1024], ids=ascii)
def test_the_id_is_echoed(oip: TestClient, given: str) -> None:
    assert infer(oip, inputs=[HALF], id=given).json()["id"] == given


@pytest.mark.parametrize("members", [{}, {"id": None, "parameters": None, "outputs": None}, {"outputs": []}])
def test_what_is_null_or_left_out_has_its_default(oip: TestClient, members: Any) -> None:
    answer = infer(oip, inputs=[{**HALF, "parameters": None}], **members)

    assert list(outputs(answer)) == OUTPUTS
    assert "id" not in answer.json()


def test_json_may_begin_with_a_byte_order_mark(oip: TestClient) -> None:
    answer = oip.post("/v2/models/digits/infer", content=BOM_UTF8 + orjson.dumps({"inputs": [HALF]}))

    assert list(outputs(answer)) == OUTPUTS


def test_unknown_parameters_have_no_effect(oip: TestClient) -> None:
    answer = infer(
        oip,
        inputs=[{**HALF, "parameters": {"content_type": "np"}}],
        parameters={"sequence_id": 7, "priority": 1},
        outputs=[{"name": "digit", "parameters": {"x": {}}}],
    )

    assert list(outputs(answer)) == ["digit"]


def binary(answer: Any) -> tuple[Any, bytes]:
    """The JSON of a response, and what follows it."""
    length = int(answer.headers[TENSORS])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    return json.loads(answer.content[:length]), answer.content[length:]


@pytest.mark.parametrize("where", ["request", "outputs"])
def test_outputs_are_binary_where_that_is_asked_for(oip: TestClient, where: str) -> None:
    flat = outputs(infer(oip, inputs=[HALF]))
    asked: dict[str, Any] = {"parameters": {"binary_data_output": True}}
    if where == "outputs":
        asked = {"outputs": [{"name": name, "parameters": {"binary_data": True}} for name in OUTPUTS]}

    head, after = binary(infer(oip, inputs=[HALF], **asked))

    assert [each["parameters"] for each in head["outputs"]] == [
        {"binary_data_size": size} for size in (40, 40, 8)
    ]
    assert not any("data" in each for each in head["outputs"])
    probabilities, logits = np.frombuffer(after[:80], "<f4").reshape(2, 1, 10)
    assert np.array_equal(probabilities, flat["probabilities"].astype(np.float32))
    assert np.array_equal(logits, flat["logits"].astype(np.float32))
    assert np.frombuffer(after[80:], "<i8").tolist() == flat["digit"].tolist()


def test_one_output_of_two_is_binary(oip: TestClient) -> None:
    wanted = [{"name": "digit", "parameters": {"binary_data": False}}, {"name": "logits"}]

    head, after = binary(infer(oip, inputs=[HALF], outputs=wanted, parameters={"binary_data_output": True}))

    assert ["data" in each for each in head["outputs"]] == [True, False]
    assert len(after) == 40


@pytest.mark.parametrize("k", [1, 3, 10, 99])
def test_classes_are_texts(oip: TestClient, k: int) -> None:
    flat = outputs(infer(oip, inputs=[HALF]))
    parameters = {"classification": k}

    answer = infer(oip, inputs=[HALF], outputs=[{"name": "probabilities", "parameters": parameters}])
    parameters["binary_data"] = True
    head, after = binary(infer(oip, inputs=[HALF], outputs=[{"name": "logits", "parameters": parameters}]))

    [found] = answer.json()["outputs"]
    assert (found["datatype"], found["shape"]) == ("BYTES", [1, min(k, 10)])
    parts = [text.split(":") for text in found["data"]]
    order = np.argsort(-flat["probabilities"][0], kind="stable")[:k]
    assert [(index, label) for _, index, label in parts] == [(str(digit), str(digit)) for digit in order]
    values = np.array([value for value, *_ in parts], np.float32)
    assert np.array_equal(values, flat["probabilities"][0][order].astype(np.float32))
    texts = []
    while after:
        (size,) = struct.unpack("<I", after[:4])
        texts.append(after[4 : 4 + size].decode())
        after = after[4 + size :]
    assert [text.split(":")[1] for text in texts] == [str(digit) for digit in order]
    assert head["outputs"][0]["parameters"] == {"binary_data_size": sum(4 + len(text) for text in texts)}


def test_statistics_count_rows_requests_and_failures(own_oip: TestClient) -> None:
    infer(own_oip, "digits/versions/1", inputs=[HALF])
    infer(own_oip, inputs=[tensor([0.5] * 1568, [2, 784])])
    infer(own_oip, inputs=[HALF])
    infer(own_oip, inputs=[tensor([0.5], [1, 784])])

    first, second = own_oip.get("/v2/models/digits/stats").json()["model_stats"]

    names = ("version", "inference_count", "execution_count")
    assert [[each[name] for name in names] for each in (first, second)] == [["1", 1, 1], ["2", 3, 2]]
    stats = second["inference_stats"]
    assert {name: stage["count"] for name, stage in stats.items()} == {
        **dict.fromkeys(("success", "queue", "compute_input", "compute_infer", "compute_output"), 2),
        "fail": 1,
    }
    assert stats["success"]["ns"] >= stats["compute_infer"]["ns"] > 0
    assert second["last_inference"] > 0
    alone = own_oip.get("/v2/models/digits/versions/1/stats").json()["model_stats"]
    assert alone == [first]


WRONG: dict[str, Any] = {
    "no input": {"inputs": []},
    "no inputs": {},
    "two inputs": {"inputs": [HALF, HALF]},
    "another input": {"inputs": [{**HALF, "name": "image"}]},
    "an input too many": {"inputs": [HALF, {**HALF, "name": "mask"}]},
    "too few numbers": {"inputs": [tensor([0.5] * 783, [1, 784])]},
    "too many numbers": {"inputs": [tensor([0.5] * 785, [1, 784])]},
    "nested otherwise": {"inputs": [tensor([[0.5] * 392] * 2, [1, 784])]},
    "nested too deep": {"inputs": [tensor([[[0.5]] * 784], [1, 784])]},
    "ragged": {"inputs": [tensor([[0.5] * 783, [0.5] * 785], [2, 784])]},
    "another shape": {"inputs": [tensor([0.5] * 784, [784])]},
    "another order": {"inputs": [tensor([0.5] * 784, [28, 28, 1])]},
    "no rows": {"inputs": [tensor([], [0, 784])]},
    "a negative shape": {"inputs": [tensor([0.5] * 784, [-1, 784])]},
    "too many rows": {"inputs": [tensor([], [257, 784])]},
    "a huge shape": {"inputs": [tensor([0.5] * 784, [10**18, 784])]},
    "a text as shape": {"inputs": [tensor([0.5] * 784, ["1", 784])]},  # type: ignore[list-item]
    "another datatype": {"inputs": [tensor([0.5] * 784, [1, 784], "FP64")]},
    "a datatype in small letters": {"inputs": [tensor([0.5] * 784, [1, 784], "fp32")]},
    "texts": {"inputs": [tensor(["0.5"] * 784, [1, 784])]},
    "truths": {"inputs": [tensor([True] * 784, [1, 784])]},
    "nulls": {"inputs": [tensor([None] * 784, [1, 784])]},
    "numbers above 1": {"inputs": [tensor([255] * 784, [1, 784])]},
    "numbers below 0": {"inputs": [tensor([-0.5] * 784, [1, 784])]},
    "bytes above 255": {"inputs": [tensor([256] * 784, [1, 784], "UINT8")]},
    "fractions as bytes": {"inputs": [tensor([0.5] * 784, [1, 784], "UINT8")]},
    "data that is no list": {"inputs": [tensor("0.5", [1, 784])]},
    "no data": {"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "FP32"}]},
    "data and bytes": {"inputs": [{**HALF, "parameters": {"binary_data_size": 3136}}]},
    "a size that is a text": {"inputs": [{**HALF, "parameters": {"binary_data_size": "3136"}}]},
    "an unknown output": {"inputs": [HALF], "outputs": [{"name": "digits"}]},
    "an output twice": {"inputs": [HALF], "outputs": [{"name": "digit"}, {"name": "digit"}]},
    "classes of digit": {
        "inputs": [HALF],
        "outputs": [{"name": "digit", "parameters": {"classification": 3}}],
    },
    "negative classes": {
        "inputs": [HALF],
        "outputs": [{"name": "logits", "parameters": {"classification": -1}}],
    },
    "binary that is a text": {
        "inputs": [HALF],
        "outputs": [{"name": "logits", "parameters": {"binary_data": "yes"}}],
    },
    "an id that is a number": {"inputs": [HALF], "id": 7},
    "a long id": {"inputs": [HALF], "id": "a" * 1025},
    "a misspelt member": {"inputs": [HALF], "output": [{"name": "digit"}]},
    "a list": [],
    "a text": "x",
}


def error(answer: Any) -> tuple[int, str]:
    """The status and the error of a response, which has nothing else."""
    assert answer.headers["Content-Type"] == "application/json"
    [(name, text)] = answer.json().items()
    assert name == "error"
    assert 0 < len(text) <= 1000
    return answer.status_code, text


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused(oip: TestClient, body: Any) -> None:
    assert error(oip.post("/v2/models/digits/infer", json=body))[0] == 400


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"", None),
        (b"{", None),
        (b'{"inputs": 1, "inputs": 2}', None),
        (b"\xff\xfe", None),
        (b'{"inputs": [NaN]}', None),
        (b"{}", "3"),
        (b"{}", "-1"),
        (b"{}", "x"),
        (b"{}", "1e9"),
        (b"{}", ""),
        (b"{}1234", "0"),
    ],
    ids=str,
)
def test_a_broken_body_is_refused(oip: TestClient, body: bytes, length: str | None) -> None:
    headers = {} if length is None else {TENSORS: length}

    assert error(oip.post("/v2/models/digits/infer", content=body, headers=headers))[0] == 400


@pytest.mark.parametrize("size", [3132, 3136, 3140])
@pytest.mark.parametrize("sent", [3132, 3140])
def test_bytes_must_be_those_of_the_tensor(oip: TestClient, size: int, sent: int) -> None:
    given = {
        "name": "pixels",
        "shape": [1, 784],
        "datatype": "FP32",
        "parameters": {"binary_data_size": size},
    }
    head = orjson.dumps({"inputs": [given]})

    answer = oip.post(
        "/v2/models/digits/infer", content=head + bytes(sent), headers={TENSORS: str(len(head))}
    )

    assert error(answer)[0] == 400


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5], ids=str)
def test_bytes_have_numbers_from_0_to_1(oip: TestClient, value: float) -> None:
    given = {
        "name": "pixels",
        "shape": [1, 784],
        "datatype": "FP32",
        "parameters": {"binary_data_size": 3136},
    }
    head = orjson.dumps({"inputs": [given]})
    after = np.full(784, value, "<f4").tobytes()

    answer = oip.post("/v2/models/digits/infer", content=head + after, headers={TENSORS: str(len(head))})

    assert error(answer)[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/models/nothing", 404),
        ("GET", "/v2/models/Digits", 404),
        ("GET", "/v2/models/nothing/ready", 404),
        ("GET", "/v2/models/nothing/stats", 404),
        ("GET", "/v2/models/digits/versions/3", 404),
        ("GET", "/v2/models/digits/versions/01", 404),
        ("GET", "/v2/models/digits/versions/x/ready", 404),
        ("GET", "/v2/models/digits/versions/99999999999999999999/stats", 404),
        ("GET", "/v2/models/a%00", 404),
        ("GET", f"/v2/models/job_{'0' * 32}", 404),
        ("GET", f"/v2/models/job_{'0' * 32}/ready", 404),
        ("POST", "/v2/models/nothing/infer", 404),
        ("POST", "/v2/models/digits/versions/3/infer", 404),
        ("GET", "/v2/models/digits/config", 404),
        ("POST", "/v2/repository/models/digits/load", 404),
        ("POST", "/v2", 405),
        ("DELETE", "/v2/models/digits", 405),
        ("GET", "/v2/models/digits/infer", 405),
        ("GET", "/v2?x=1", 400),
    ],
)
def test_what_there_is_not_is_an_error_of_the_protocol(
    oip: TestClient, method: str, path: str, status: int
) -> None:
    body = {"inputs": [HALF]} if path.endswith("infer") and method == "POST" else None

    answer = oip.request(method, path, json=body)

    assert error(answer)[0] == status
    assert ("Allow" in answer.headers) == (status == 405)


def test_bodies_have_types_and_limits(oip: TestClient) -> None:
    url = "/v2/models/digits/infer"

    answers = [
        oip.post(url, content=b"{}", headers={"Content-Type": "text/plain"}),
        oip.post(url, content=b"{}", headers={"Content-Encoding": "gzip"}),
        oip.post(url, content=b" " * (4 * 2**20 + 1)),
        oip.post("/v2/repository/index", content=b"[" * 100_000),
        oip.post("/v2/repository/index", json={"redy": True}),
        oip.post("/v2/repository/index", content=b"{}x", headers={TENSORS: "2"}),
        oip.request("GET", "/v2", content=b"x"),
    ]

    assert [error(answer)[0] for answer in answers] == [415, 415, 413, 413, 400, 400, 413]


def test_a_model_without_a_net_is_not_ready(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)
    path = f"/v2/models/{job['id']}"

    answers = [sqlite_client.get(f"{path}/ready"), infer(sqlite_client, job["id"], inputs=[HALF])]

    assert [error(answer)[0] for answer in answers] == [503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert sqlite_client.get(path).json()["versions"] == []
    assert sqlite_client.get(f"{path}/stats").json() == {"model_stats": []}
    assert sqlite_client.get("/v2/models").json() == {"models": []}


def test_a_model_with_a_damaged_net_is_not_ready(own_oip: TestClient, job: dict[str, Any]) -> None:
    work.store_weights(own_oip, job["id"], b"other")

    answers = [own_oip.get("/v2/models/digits/ready"), infer(own_oip, inputs=[HALF])]

    assert [error(answer)[0] for answer in answers] == [503, 503]


@pytest.mark.parametrize(
    "path", ["", "/health/live", "/health/ready", "/models", "/models/digits", "/models/digits/ready"]
)
def test_head_is_get_without_the_body(oip: TestClient, path: str) -> None:
    read, head = oip.get(f"/v2{path}"), oip.head(f"/v2{path}")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == read.headers["Content-Length"]
