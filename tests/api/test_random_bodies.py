"""Bodies that hypothesis makes: JSON, forms and pictures get a result or a problem, and never a failure."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.api.shared.problems import Problem
from tests.api.conftest import serving
from tests.api.described import OPERATIONS, SCHEMA
from tests.api.hostile_images import SEVEN
from tests.api.test_openapi import WITH_BODY
from tests.edge.test_strict_json import JSON_LIKE, VALUES
from tests.serving.test_refused_pictures import PLACES, SEEDS, mutated

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": [*HealthCheck],
}
often = pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.long)])
INFER = "POST /v2/models/{job_id}/infer"
TENSOR = ["name", "shape", "datatype", "data", "parameters"]
LIKELY = st.sampled_from(
    [0, 1, -1, 2, 10, 0.5, 784, True, "0", "latest", "pixels", "FP32", [], {}, [0.5] * 784]
)


@pytest.fixture(scope="module")
def open_client(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API on a database of these tests, in which they may write."""
    path = Path(shutil.copy(trained_file, tmp_path_factory.mktemp("random") / "normserve.db"))
    with serving(f"sqlite:///{path}", path.parent) as client:
        client.put("/models/digits", json={"job": client.get("/jobs").json()["items"][0]["id"]})
        yield client


@pytest.fixture
def url(open_client: TestClient, job: dict[str, Any], name: str) -> str:
    comparison = open_client.post("/comparisons", json={"preset": "article", "seeds": 1}).json()["id"]
    path = name.split()[1]
    return path.format(job_id=job["id"], comparison_id=comparison, model_name="digits")


def fields(name: str) -> list[str]:
    """The members that a body may have, and a few that none has."""
    if name == INFER:
        return ["id", "inputs", "outputs", *TENSOR, "__proto__"]
    content = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    schema = SCHEMA["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return [*schema["properties"], "__proto__", "", "a/b~c"]


def bodies(names: list[str]) -> st.SearchStrategy[bytes]:
    """JSON with members of these names, in objects and lists of each other; and text that is nearly JSON."""
    objects = st.recursive(
        LIKELY | VALUES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=5)
        ),
        max_leaves=12,
    )
    whole = st.dictionaries(st.sampled_from(names), objects, max_size=6) | objects
    return whole.map(lambda value: json.dumps(value).encode()) | JSON_LIKE


def try_all(strategy: st.SearchStrategy[Any], examples: int, send: Callable[[Any], httpx.Response]) -> None:
    @settings(**SETTINGS, max_examples=examples)
    @given(strategy)
    def try_one(body: Any) -> None:
        answer = send(body)

        assert answer.status_code < 500
        if answer.status_code >= 400:
            check_refusal(answer)

    try_one()


def check_refusal(answer: httpx.Response) -> None:
    assert len(answer.content) <= 4096
    if "/v2/" in answer.url.path:
        assert answer.json().keys() == {"error"}
    else:
        assert Problem.model_validate_json(answer.content, strict=True).status == answer.status_code


@often
@pytest.mark.parametrize("name", [*WITH_BODY, INFER])
def test_any_json_gets_a_result_or_a_problem(
    open_client: TestClient, name: str, url: str, examples: int
) -> None:
    method = name.split(maxsplit=1)[0]
    headers = {"Content-Type": "application/json"}

    try_all(
        bodies(fields(name)),
        examples,
        lambda body: open_client.request(method, url, content=body, headers=headers),
    )


PREDICT = pytest.mark.parametrize("name", ["POST /jobs/{job_id}/predict"])
TOKENS = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20)
LINES = st.one_of(
    st.builds('Content-Disposition: form-data; name="{}"; filename="{}"'.format, TOKENS, TOKENS),
    st.just('Content-Disposition: form-data; name="file"; filename="a.png"'),
    st.builds('Content-Disposition: form-data; name="{}"'.format, TOKENS),
    st.builds("Content-Type: {}".format, TOKENS),
    st.builds("Content-Transfer-Encoding: {}".format, TOKENS),
    TOKENS,
)
ENDS = st.sampled_from(["\r\n", "\n", "\r", ""])
CONTENTS = st.sampled_from([SEVEN, b"", b"--b--", b"--b\r\n", b"\r\n"]) | st.binary(max_size=30)
PARTS = st.lists(st.tuples(st.lists(LINES, max_size=3), ENDS, CONTENTS), max_size=4)
EDITS = st.lists(st.tuples(PLACES, st.binary(max_size=4), st.integers(0, 8)), max_size=4)


def form(parts: list[tuple[list[str], str, bytes]], last: str, edits: list[tuple[int, bytes, int]]) -> bytes:
    body = b""
    for lines, end, content in parts:
        head = "".join(f"{line}\r\n" for line in lines)
        body += f"--b\r\n{head}{end}".encode("latin-1") + content + b"\r\n"
    return mutated(body + last.encode(), edits)


@often
@PREDICT
def test_any_form_gets_a_result_or_a_problem(open_client: TestClient, url: str, examples: int) -> None:
    lasts = st.sampled_from(["--b--\r\n", "--b--", "--b", ""])
    kinds = st.sampled_from(["; boundary=b", '; boundary="b"', "; boundary=", "; boundary=c", ""])

    def send(sent: tuple[bytes, str]) -> httpx.Response:
        content, kind = sent
        headers = {"Content-Type": f"multipart/form-data{kind}"}
        answer: httpx.Response = open_client.post(url, content=content, headers=headers)
        return answer

    try_all(st.tuples(st.builds(form, PARTS, lasts, EDITS), st.just("; boundary=b") | kinds), examples, send)


def as_file(client: TestClient, url: str, data: bytes) -> httpx.Response:
    answer: httpx.Response = client.post(url, files={"file": data})
    return answer


def as_body(client: TestClient, url: str, data: bytes) -> httpx.Response:
    answer: httpx.Response = client.post(url, content=data, headers={"Content-Type": "image/png"})
    return answer


def in_json(client: TestClient, url: str, data: bytes) -> httpx.Response:
    answer: httpx.Response = client.post(url, json={"images": [{"png": base64.b64encode(data).decode()}]})
    return answer


def as_numbers(client: TestClient, url: str, data: bytes) -> httpx.Response:
    answer: httpx.Response = client.post(
        url, content=data, headers={"Content-Type": "application/octet-stream"}
    )
    return answer


@often
@PREDICT
@pytest.mark.parametrize("send", [as_file, as_body, in_json, as_numbers])
def test_any_picture_gets_a_result_or_a_problem(
    open_client: TestClient, url: str, send: Callable[..., httpx.Response], examples: int
) -> None:
    pictures = st.builds(mutated, st.sampled_from([SEVEN, *SEEDS]), EDITS)

    try_all(pictures, examples, lambda data: send(open_client, url, data))
