"""What is only spelled otherwise is taken as it was meant; what means something else is refused."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient

from tests.api import work
from tests.serving.picture_files import saved

DIGIT = saved(np.pad(np.full((20, 4), 255, np.uint8), ((4, 4), (12, 12))), "PNG")
TEXT = base64.b64encode(DIGIT).decode()
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'\xef\xbb\xbf{"steps": 7}', {"steps": 7}),
        (b'{"steps": 1e5}', {"steps": 100_000}),
        (b'{"steps": 100000.0, "seed": 9007199254740991.0}', {"steps": 100_000, "seed": 2**53 - 1}),
        (b'{"steps": 1E+2, "weight_std": 1, "momentum": 0.9}', {"steps": 100, "weight_std": 1.0}),
    ],
)
def test_a_number_without_a_fraction_is_an_integer(
    trained: TestClient, body: bytes, expected: dict[str, Any]
) -> None:
    answer = trained.post("/jobs?dry_run=true", content=body, headers=JSON)

    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"].items() >= expected.items()


@pytest.mark.parametrize(
    "value", ["1.5", "true", '"5"', "1e-5", "9007199254740993.0", "1e300", "[5]", "100000.5e0"]
)
def test_a_number_that_is_no_integer_is_refused(trained: TestClient, value: str) -> None:
    answer = trained.post("/jobs?dry_run=true", content=f'{{"steps": {value}}}', headers=JSON)

    assert work.problem(answer)[:2] == (422, "validation-error")


def test_the_seeds_of_a_comparison_may_be_spelled_as_floats(sqlite_client: TestClient) -> None:
    body = b'{"preset": "article", "seeds": [1.0, 2e0], "base": {"steps": 1e1}}'

    created = sqlite_client.post("/comparisons", content=body, headers=JSON)

    assert (created.status_code, created.json()["seeds"]) == (201, [1, 2])


def integers() -> Iterator[tuple[str, str]]:
    """Every integer of every query: path and name."""
    from service.app import RESOURCES  # noqa: PLC0415 # only for this list

    for resource in RESOURCES:
        for route in iter_route_contexts(resource.router.routes):
            original = route.original_route
            if isinstance(original, APIRoute):
                for field in original.dependant.query_params:
                    if "int" in str(field.field_info.annotation).replace("Point", ""):
                        yield original.path, field.alias


@pytest.mark.parametrize(("path", "name"), sorted(set(integers())))
@pytest.mark.parametrize("value", ["2e1", "20.0", "20"])
def test_every_integer_of_a_query_may_be_spelled_as_a_float(
    trained: TestClient, job: dict[str, Any], path: str, name: str, value: str
) -> None:
    answer = trained.get(path.replace("{job_id}", job["id"]), params={name: value})

    assert f"/{name}" not in str(answer.json().get("errors"))


@pytest.mark.parametrize("value", ["2e-1", "20.5", "1e", "e1", "1e99", "0x10", "٣", "2e1 "])
def test_other_spellings_of_a_query_are_refused(trained: TestClient, value: str) -> None:
    assert work.problem(trained.get("/jobs", params={"limit": value}))[2] == ["/limit"]


def test_keys_may_have_spaces(trained: TestClient, job: dict[str, Any]) -> None:
    url = f"/jobs/{job['id']}/metrics?end_step=2&format=csv&keys="

    assert trained.get(f"{url}step, test_accuracy ").text == trained.get(f"{url}step,test_accuracy").text


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"data:image/png;base64,{TEXT}",
        f"DATA:;BASE64,{quote(TEXT)}",
        "\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76)),
        base64.urlsafe_b64encode(DIGIT).decode().rstrip("="),
    ],
    ids=["base64", "data-url", "quoted", "wrapped", "url-safe"],
)
def test_a_picture_may_be_any_base64(trained: TestClient, job: dict[str, Any], text: str) -> None:
    url = f"/jobs/{job['id']}/predict"

    answer = trained.post(url, json={"images": [{"png": text}]})

    bare = trained.post(url, content=DIGIT, headers={"content-type": "image/png"})
    assert (answer.status_code, answer.json()["predictions"]) == (200, bare.json()["predictions"])


@pytest.mark.parametrize("text", ["data:image/png,abc", "data:image/png;base64", "ab=c", "a", "äöü"])
def test_other_text_is_no_picture(trained: TestClient, job: dict[str, Any], text: str) -> None:
    answer = trained.post(f"/jobs/{job['id']}/predict", json={"images": [{"png": text}]})

    assert answer.status_code == 422


@pytest.mark.parametrize("kind", ["image/jpg", "image/pjpeg", "image/x-png", "IMAGE/PNG"])
def test_a_picture_may_have_an_unregistered_type(trained: TestClient, job: dict[str, Any], kind: str) -> None:
    answer = trained.post(f"/jobs/{job['id']}/predict", content=DIGIT, headers={"content-type": kind})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["a:1", "b:2"], ["both"]),
        (["a:1"], ["both", "one"]),
        (["a:1", "a:2"], []),
        (["a:1", "a:1"], ["both", "one"]),
    ],
)
def test_a_tag_given_twice_means_both(client: TestClient, tags: list[str], found: list[str]) -> None:
    client.post("/jobs", json={"label": "one", "tags": {"a": "1"}})
    client.post("/jobs", json={"label": "both", "tags": {"a": "1", "b": "2"}})

    jobs = client.get("/jobs", params={"tag": tags}).json()["items"]

    assert [job["label"] for job in jobs] == found
