"""Init reports and telemetry over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.work import problem, submitted

MEASURED = {"norm": "batch", "init": True, "telemetry": True, "steps": 30, "eval_every": 10}


@pytest.fixture
def measured(client: TestClient, digits: Digits) -> dict[str, Any]:
    return work.trained(client, digits, **MEASURED)


def test_the_init_report_tells_of_each_layer(client: TestClient, measured: dict[str, Any]) -> None:
    report = client.get(measured["links"]["init-report"]).json()

    assert (report["job_id"], report["init"]) == (measured["id"], True)
    assert [layer["layer"] for layer in report["layers"]] == ["hidden1", "output"]
    assert [layer["z_after"]["sd"] for layer in report["layers"]] == pytest.approx([1, 1], abs=1e-3)
    assert [layer["degenerate_units"] for layer in report["layers"]] == [0, 0]


def test_telemetry_has_a_row_an_evaluation(client: TestClient, measured: dict[str, Any]) -> None:
    answer = client.get(measured["links"]["telemetry"]).json()

    assert [row["step"] for row in answer["items"]] == [10, 20, 30]
    assert answer["next_cursor"] is None
    [hidden, output] = answer["items"][-1]["layers"]
    assert (hidden["layer"], output["layer"]) == ("hidden1", "output")
    assert hidden["effective_step"]["mean"] == pytest.approx(
        0.1 / hidden["weight_norm"]["mean"] ** 2, rel=0.05
    )
    assert (hidden["running_mean_drift"] > 0, output["running_mean_drift"]) == (True, None)


@pytest.mark.slow
def test_telemetry_comes_in_pages(client: TestClient, measured: dict[str, Any]) -> None:
    first = client.get(f"{measured['links']['telemetry']}?limit=2")
    second = client.get(first.links["next"]["url"]).json()

    assert [row["step"] for row in first.json()["items"]] == [10, 20]
    assert ([row["step"] for row in second["items"]], second["next_cursor"]) == ([30], None)
    later = client.get(f"{measured['links']['telemetry']}?after_step=10").json()["items"]
    assert [row["step"] for row in later] == [20, 30]


@pytest.mark.slow
def test_unchanged_telemetry_is_not_sent_twice(client: TestClient, measured: dict[str, Any]) -> None:
    known = client.get(measured["links"]["telemetry"]).headers["ETag"]

    assert client.get(measured["links"]["telemetry"], headers={"If-None-Match": known}).status_code == 304


def test_a_job_that_did_not_ask_has_no_telemetry(client: TestClient, digits: Digits) -> None:
    job = work.trained(client, digits, **work.SHORT)

    assert client.get(job["links"]["telemetry"]).json() == {"items": [], "next_cursor": None}


@pytest.mark.slow
def test_figures_that_are_not_finite_are_null(client: TestClient, digits: Digits) -> None:
    job = work.trained(
        client, digits, norm="weight", init=True, learning_rate=1e6, telemetry=True, eval_every=1
    )

    rows = client.get(job["links"]["telemetry"]).json()["items"]

    assert [row["step"] for row in rows] == list(range(1, job["failure"]["step"] + 1))
    assert rows[-1]["layers"][0]["gradient_norm"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("limit=0", "/limit"), ("limit=1001", "/limit"), ("after_step=-1", "/after_step"), ("x=1", "/x")],
)
def test_a_bad_page_is_refused(client: TestClient, query: str, pointer: str) -> None:
    job = submitted(client)

    assert problem(client.get(f"{job['links']['telemetry']}?{query}")) == (422, "validation-error", [pointer])


@pytest.mark.slow
def test_the_cursor_of_another_list_is_refused(client: TestClient, measured: dict[str, Any]) -> None:
    cursor = client.get(f"{measured['links']['metrics']}?limit=1").json()["next_cursor"]

    answer = client.get(f"{measured['links']['telemetry']}?cursor={cursor}")

    assert problem(answer) == (422, "invalid-cursor", [])


def test_there_is_no_report_of_an_unknown_job(client: TestClient) -> None:
    answers = [client.get(f"/jobs/job_{'0' * 32}/{name}") for name in ("init-report", "telemetry")]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_a_job_carries_the_warnings_of_its_spec(client: TestClient) -> None:
    job = submitted(client, norm="weight", init=True, weight_std=0.01)

    [warning] = job["warnings"]
    assert warning["code"] == "large_effective_step"
    assert client.get(f"/jobs/{job['id']}").json()["warnings"] == [warning]
    assert submitted(client)["warnings"] == []
