"""A field of a request takes null where the description says so, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.described import SCHEMA

COMPARISON = {"arms": [{"name": "a"}], "base": {"steps": 5}, "seeds": 1}
PIXELS = [[0.0] * 392 + [1.0] * 8 + [0.0] * 384]

Send = Callable[[TestClient, dict[str, Any], dict[str, None]], Any]
ALL: dict[str, Any] = {"filter": {}}
REQUESTS: dict[str, Send] = {
    "JobSubmission": lambda client, _job, null: client.post("/jobs", json=null),
    "JobChanges": lambda client, job, null: client.patch(f"/jobs/{job['id']}", json=null),
    "PredictionRequest": lambda client, job, null: client.post(
        f"/jobs/{job['id']}/predict", json={"images": PIXELS, **null}
    ),
    "ModelsPredictionRequest": lambda client, job, null: client.post(
        f"/predict?model={job['id']}", json={"images": PIXELS, **null}
    ),
    "ComparisonSubmission": lambda client, _job, null: client.post(
        "/comparisons", json={**COMPARISON, **null}
    ),
    "Arm": lambda client, _job, null: client.post(
        "/comparisons", json={**COMPARISON, "arms": [{"name": "a", **null}]}
    ),
    "Overrides": lambda client, _job, null: client.post("/comparisons", json={**COMPARISON, "base": null}),
    "MetricQuery": lambda client, job, null: client.post(
        "/metric-queries", json={"jobs": [job["id"]], **null} if "filter" in null else {**ALL, **null}
    ),
    "MetricQueryFilter": lambda client, _job, null: client.post("/metric-queries", json={"filter": null}),
    "ComparisonExtension": lambda client, _job, null: client.post(
        f"{client.post('/comparisons', json=COMPARISON).json()['links']['self']}/extend", json=null
    ),
}
"""How a field of each schema of a request is sent as null."""


def takes_null(field: dict[str, Any]) -> bool:
    return {"type": "null"} in field.get("anyOf", [])


def test_every_schema_of_a_request_is_tried() -> None:
    strict = {name for name, schema in SCHEMA["components"]["schemas"].items() if "required" not in schema}

    assert strict | {"Arm"} == REQUESTS.keys() | {"TrainSpec"}


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_null_is_taken_where_the_description_says_so(
    copied: TestClient, job: dict[str, Any], name: str
) -> None:
    fields = SCHEMA["components"]["schemas"][name]["properties"]

    answers = {field: REQUESTS[name](copied, job, {field: None}).status_code for field in fields}

    assert {*answers.values()} <= {200, 201, 422}
    assert {field: status < 300 for field, status in answers.items()} == {
        field: takes_null(schema) for field, schema in fields.items()
    }
