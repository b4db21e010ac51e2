"""Spellings that well-meaning clients use are read as what they mean."""

import base64
from typing import Any

import numpy as np
import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient

from models.specs.spec import TrainSpec
from tests.api.described import APP, PATHS
from tests.api.work import ids, problem, submitted
from tests.serving.picture_files import saved

JSON = {"Content-Type": "application/json"}
SEVEN = np.pad(np.full((20, 4), 255, np.uint8), ((4, 4), (12, 12)))
PNG, JPEG = saved(SEVEN, "PNG"), saved(SEVEN, "JPEG")
BASE64 = base64.b64encode(PNG).decode()
ROUTES = [each.original_route for each in iter_route_contexts(APP.routes)]
PARAMETERS = [
    pytest.param(field, id=f"{route.path} {field.alias}")
    for route in ROUTES
    if isinstance(route, APIRoute)
    for field in get_flat_params(route.dependant)
    if isinstance(field.field_info, Query) and field.field_info.annotation in (int, int | None)
]


def test_a_byte_order_mark_is_ignored(sqlite_client: TestClient) -> None:
    answer = sqlite_client.post("/jobs", content=b'\xef\xbb\xbf{"steps": 7}', headers=JSON)

    assert (answer.status_code, answer.json()["progress"]["steps"]) == (201, 7)


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("1e5", 100_000),
        ("100000.0", 100_000),
        ("1E+5", 100_000),
        ("12.5e1", 125),
        ("-0.0", 0),
        ("9007199254740991.0", 2**53 - 1),
        ("9007199254740991", 2**53 - 1),
    ],
)
def test_a_number_without_a_fraction_is_whole(sqlite_client: TestClient, text: str, seed: int) -> None:
    answer = sqlite_client.post("/jobs", content=f'{{"seed": {text}}}', headers=JSON)

    assert answer.status_code == 201
    assert f'"seed":{seed},' in answer.text


@pytest.mark.parametrize("value", [True, "5", 5.5, 2.0**53, 1e300, None, [5.0], {"a": 5.0}], ids=repr)
def test_other_values_are_not_whole(value: Any) -> None:
    with pytest.raises(ValueError, match="seed"):
        TrainSpec(seed=value)


def test_numbers_that_may_have_a_fraction_stay_as_they_are() -> None:
    spec = TrainSpec(learning_rate=1.0, max_seconds=2.0, weight_decay=0.25)

    assert [type(value) for value in (spec.learning_rate, spec.max_seconds)] == [float, float]
    assert (
        spec.canonical_json() == TrainSpec(learning_rate=1, max_seconds=2, weight_decay=0.25).canonical_json()
    )


@pytest.mark.parametrize(
    ("seeds", "meant"), [("3.0", [0, 1, 2]), ("2e0", [0, 1]), ("[1e1, 4.0]", [10, 4])], ids=str
)
def test_the_whole_numbers_of_a_comparison(sqlite_client: TestClient, seeds: str, meant: list[int]) -> None:
    body = f'{{"arms": [{{"name": "a", "n_units": 64.0}}], "base": {{"steps": 2e1}}, "seeds": {seeds}}}'
    answer = sqlite_client.post("/comparisons", content=body, headers=JSON)
    extended = sqlite_client.post(
        f"/comparisons/{answer.json()['id']}/extend", content='{"seeds": [99.0]}', headers=JSON
    )

    assert (answer.status_code, answer.json()["seeds"]) == (201, meant)
    assert extended.json()["seeds"] == [*meant, 99]
    [first, *_] = sqlite_client.get(answer.json()["links"]["jobs"] + "&sort=created_at").json()["items"]
    assert (first["n_units"], first["progress"]["steps"]) == (64, 20)


def test_a_prediction_takes_whole_numbers(trained: TestClient, job: dict[str, Any]) -> None:
    body = f'{{"images": [[{", ".join(["0.5"] * 784)}]], "top_k": 2.0}}'

    answer = trained.post(job["links"]["predict"], content=body, headers=JSON)

    assert len(answer.json()["predictions"][0]["top_k"]) == 2


@pytest.mark.parametrize(
    "again", ['{"steps": 1e3, "learning_rate": 1}', '{"learning_rate": 1.0, "steps": 1000.0}']
)
def test_a_numerically_equal_request_is_the_same_request(client: TestClient, again: str) -> None:
    headers = {**JSON, "Idempotency-Key": "k"}
    first = client.post("/jobs", content='{"steps": 1000, "learning_rate": 1}', headers=headers)

    second = client.post("/jobs", content=again, headers=headers)

    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("field", PARAMETERS)
@pytest.mark.parametrize(
    ("text", "meant"),
    [("1e2", 100), ("100.0", 100), ("1.0e2", 100), ("1E+2", 100), ("100", 100), ("11e0", 11)],
)
def test_every_integer_of_a_query_may_be_written_so(field: Any, text: str, meant: int) -> None:
    assert field.validate(text, {}, loc=("query", field.alias)) == (meant, [])


def test_the_bounds_of_integers_are_described() -> None:
    described = [
        parameter["schema"]
        for operations in PATHS.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query" and parameter["schema"].get("type") == "integer"
    ]

    assert len(described) >= 7
    assert all({"minimum", "maximum"} <= schema.keys() for schema in described)


def test_integers_of_queries_were_found() -> None:
    assert len(PARAMETERS) >= 9


@pytest.mark.parametrize("text", ["9007199254740991.0", "9007199254740.991e3", "9007199254740991"])
def test_a_large_integer_of_a_query_is_exact(sqlite_client: TestClient, text: str) -> None:
    job = submitted(sqlite_client, seed=2**53 - 1)
    submitted(sqlite_client, seed=2**53 - 2)

    assert ids(sqlite_client.get("/jobs", params={"seed": text})) == [job["id"]]


@pytest.mark.parametrize("keys", ["step, train_loss", " train_loss ,step", "train_loss"])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_spaces_between_keys_mean_nothing(
    trained: TestClient, job: dict[str, Any], keys: str, form: str
) -> None:
    url = job["links"]["metrics"]

    answers = [trained.get(url, params={"keys": each, "format": form}) for each in (keys, "step,train_loss")]

    assert (answers[0].status_code, answers[0].text) == (200, answers[1].text)


def test_tags_given_twice_must_both_hold(client: TestClient) -> None:
    both = submitted(client, tags={"a": "1", "b": "2"})["id"]
    one = submitted(client, tags={"a": "1"})["id"]

    def found(*tags: str) -> list[str]:
        return ids(client.get("/jobs", params={"tag": list(tags)}))

    assert found("a:1") == [one, both]
    assert found("a:1", "b:2") == [both]
    assert found("a:1", "a:1") == [one, both]
    assert found("a:1", "a:2") == found("a:2", "a:1") == []


SPELLINGS = {
    "plain": BASE64,
    "data URL": f"data:image/png;base64,{BASE64}",
    "data URL without a type": f"DATA:;BASE64,{BASE64}",
    "data URL with a parameter": f"data:image/png;name=a.png;base64,{BASE64}",
    "escaped data URL": f"data:image/png;base64,{BASE64.replace('+', '%2B').replace('=', '%3D')}",
    "of another picture": base64.b64encode(JPEG).decode(),
    "wrapped": base64.encodebytes(PNG).decode(),
    "wrapped as in mail": base64.encodebytes(PNG).decode().replace("\n", "\r\n"),
    "url-safe": base64.urlsafe_b64encode(PNG).decode(),
    "url-safe without its end": base64.urlsafe_b64encode(PNG).decode().rstrip("="),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_base64_is_read_however_it_is_written(trained: TestClient, job: dict[str, Any], text: str) -> None:
    bare = trained.post(job["links"]["predict"], content=PNG, headers={"Content-Type": "image/png"})

    answer = trained.post(job["links"]["predict"], json={"images": [{"png": text}]})

    found = [each.json()["predictions"][0]["digit"] for each in (answer, bare)]
    assert (answer.status_code, found[0]) == (200, found[1])


@pytest.mark.parametrize(
    "kind", ["image/jpg", "image/pjpeg", "image/x-png", "image/x-ms-bmp", "Image/JPG; a=b"]
)
@pytest.mark.parametrize("picture", [PNG, JPEG], ids=["png", "jpeg"])
def test_a_picture_of_an_old_media_type_is_read(
    trained: TestClient, job: dict[str, Any], kind: str, picture: bytes
) -> None:
    answer = trained.post(job["links"]["predict"], content=picture, headers={"Content-Type": kind})

    assert answer.status_code == 200


def test_other_pictures_are_refused_by_their_type(trained: TestClient, job: dict[str, Any]) -> None:
    answer = trained.post(job["links"]["predict"], content=PNG, headers={"Content-Type": "image/tiff"})

    assert problem(answer) == (415, "unsupported-media-type", [])


def test_only_registered_media_types_are_described() -> None:
    content = PATHS["/jobs/{job_id}/predict"]["post"]["requestBody"]["content"]

    assert [*content] == [
        *("application/json", "multipart/form-data", "application/octet-stream"),
        *("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"),
    ]
