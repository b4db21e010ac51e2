"""Histories of many jobs in one request: the exact figures on common steps, grouped, bounded, strict."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from models.specs.metrics import MetricRow
from tests.api import planted, work
from tests.api.work import problem, submitted


def query(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/metric-queries", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def comparison(client: TestClient) -> dict[str, Any]:
    """Two arms of three seeds, of which batch diverges at step 60 with seed 2."""

    def accuracy(arm: str, seed: int, _rate: float) -> float | None:
        return None if (arm, seed) == ("batch", 2) else 0.9 + 0.01 * seed

    return planted.comparison(client, accuracy, seeds=3)


def exact(client: TestClient, job_id: str, key: str) -> dict[int, float | None]:
    rows = client.get(f"/jobs/{job_id}/metrics").json()["items"]
    return {row["step"]: row[key] for row in rows}


def test_jobs_have_their_exact_figures_on_common_steps(
    client: TestClient, comparison: dict[str, Any]
) -> None:
    keys = ["train_loss", "test_accuracy"]

    found = query(client, filter={"comparison_id": comparison["id"]}, keys=keys)

    losses, accuracies = found["metrics"]
    assert (len(found["jobs"]), found["group_by"]) == (6, [])
    assert (losses["steps"], accuracies["steps"]) == (list(range(1, 101)), [50, 100])
    for metric in found["metrics"]:
        assert [run["job_id"] for run in metric["runs"]] == found["jobs"]
        assert (metric["thinning"], metric["groups"]) == (None, None)
        for run in metric["runs"]:
            known = exact(client, run["job_id"], metric["key"])
            assert run["values"] == [known.get(step) for step in metric["steps"]]


def test_groups_are_over_the_jobs_that_agree_in_the_fields(
    client: TestClient, comparison: dict[str, Any]
) -> None:
    body = {"filter": {"comparison_id": comparison["id"]}, "keys": ["test_accuracy"]}
    runs = query(client, **body)["metrics"][0]["runs"]

    [metric] = query(client, **body, group_by=["norm", "init"])["metrics"]

    none, batch = metric["groups"]
    assert [none["fields"], batch["fields"]] == [{"norm": norm, "init": False} for norm in ("none", "batch")]
    assert (none["jobs"], batch["jobs"]) == tuple([run["job_id"] for run in runs[arm::2]] for arm in (0, 1))
    last = [run["values"][-1] for run in runs[::2]]
    assert (none["n"], batch["n"], metric["runs"]) == ([3, 3], [3, 2], None)
    assert none["mean"][-1] == pytest.approx(statistics.mean(last))
    assert none["sd"][-1] == pytest.approx(statistics.stdev(last))
    assert (none["min"][-1], none["max"][-1]) == (min(last), max(last))


def test_a_group_of_one_has_no_deviation(client: TestClient, comparison: dict[str, Any]) -> None:
    found = query(client, filter={"comparison_id": comparison["id"]}, group_by=["norm", "seed"])

    groups = found["metrics"][0]["groups"]
    assert [group["fields"]["seed"] for group in groups] == [0, 0, 1, 1, 2, 2]
    assert [group["sd"] for group in groups] == [[None, None]] * 6
    assert groups[-1]["mean"][1] is None


def test_long_histories_are_thinned_to_the_same_steps(client: TestClient) -> None:
    ids = [long_job(client, n) for n in (50, 500)]

    [metric] = query(client, jobs=ids[::-1], keys=["train_loss"], max_points=10)["metrics"]

    assert metric["steps"] == [1, 56, 112, 167, 223, 278, 334, 389, 445, 500]
    assert metric["thinning"] == {"method": "stride", "n_in": 500, "n_out": 10}
    assert [run["job_id"] for run in metric["runs"]] == ids[::-1]
    assert [run["values"] for run in metric["runs"]] == [
        [1 / step for step in metric["steps"]],
        [1.0, *[None] * 9],
    ]


def long_job(client: TestClient, n_rows: int) -> str:
    job = submitted(client)
    rows = [MetricRow(n, 1 / n, 0.5, None, None, None, None, n) for n in range(1, n_rows + 1)]
    work.record(client, work.claimed(client, job["id"]), *rows)
    job_id: str = job["id"]
    return job_id


def test_a_window_bounds_the_steps(client: TestClient, comparison: dict[str, Any]) -> None:
    body = {"filter": {"comparison_id": comparison["id"]}, "keys": ["train_loss", "test_loss"]}

    found = query(client, **body, start_step=60, end_step=70)

    assert [metric["steps"] for metric in found["metrics"]] == [list(range(60, 71)), []]


def test_jobs_are_found_by_every_condition_of_the_list(client: TestClient) -> None:
    body = {"norm": "layer", "init": True, "seed": 7, "label": "x", "tags": {"a": "b:c", "d": ""}}
    job = submitted(client, **body)
    submitted(client, **{**body, "tags": {"a": "b:c"}})

    conditions = {name: value for name, value in body.items() if name != "tags"}
    found = query(client, filter={**conditions, "tag": ["a:b:c", "d:"], "status": ["queued", "running"]})

    assert found["jobs"] == [job["id"]]
    assert found["metrics"][0]["steps"] == []


@pytest.mark.parametrize("group_by", [[], ["norm"]])
def test_a_filter_that_matches_nothing_has_no_series(sqlite_client: TestClient, group_by: list[str]) -> None:
    found = query(sqlite_client, filter={"label": "none"}, group_by=group_by)

    [metric] = found["metrics"]
    series = metric["groups"] if group_by else metric["runs"]
    assert (found["jobs"], metric["steps"], series) == ([], [], [])


def test_many_values_lower_the_number_of_points(sqlite_client: TestClient) -> None:
    sqlite_client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 99})
    long_job(sqlite_client, 1000)

    found = query(sqlite_client, filter={}, keys=["train_loss", "elapsed_seconds"], max_points=2000)

    points = 200_000 // (199 * 2)
    assert len(found["jobs"]) == 199
    assert [metric["thinning"] for metric in found["metrics"]] == [
        {"method": "stride", "n_in": 1000, "n_out": points}
    ] * 2


def test_more_jobs_than_allowed_are_refused(sqlite_client: TestClient) -> None:
    sqlite_client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 101})

    answer = sqlite_client.post("/metric-queries", json={"filter": {}})

    assert problem(answer) == (422, "validation-error", ["/filter"])


def test_unknown_jobs_are_refused_by_place(sqlite_client: TestClient) -> None:
    known = submitted(sqlite_client)["id"]
    unknown = "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b"

    answer = sqlite_client.post("/metric-queries", json={"jobs": [known, unknown, "x"]})

    assert problem(answer) == (422, "validation-error", ["/jobs/1", "/jobs/2"])


@pytest.mark.parametrize(
    ("change", "pointers", "words"),
    [
        ({"group_by": ["normalization"]}, ["/group_by/0"], "did you mean norm?"),
        ({"group_by": ["norm", "nom"]}, ["/group_by/1"], "did you mean norm?"),
        ({"group_by": ["label"]}, ["/group_by/0"], "must be one of"),
        ({"group_by": ["norm", "norm"]}, ["/group_by"], "twice"),
        ({"keys": ["test_acuracy"]}, ["/keys/0"], "did you mean test_accuracy?"),
        ({"keys": ["step"]}, ["/keys/0"], "must be one of"),
        ({"keys": []}, ["/keys"], ""),
        ({"max_point": 5}, ["/max_point"], "did you mean max_points?"),
        ({"max_points": 9}, ["/max_points"], ""),
        ({"max_points": 10**9}, ["/max_points"], ""),
        ({"max_points": "50"}, ["/max_points"], ""),
        ({"start_step": 5, "end_step": 4}, ["/start_step", "/end_step"], "must not be above"),
        ({"jobs": ["x"]}, ["/jobs", "/filter"], "either"),
        ({"filter": None}, ["/jobs", "/filter"], "either"),
        ({"filter": {"norms": "batch"}}, ["/filter/norms"], "did you mean norm?"),
        ({"filter": {"status": ["done"]}}, ["/filter/status/0"], ""),
        ({"filter": {"init": 1}}, ["/filter/init"], ""),
        ({"filter": {"tag": ["no-value"]}}, ["/filter/tag/0"], ""),
        ({"filter": None, "jobs": []}, ["/jobs"], ""),
        ({"filter": None, "jobs": ["x"] * 201}, ["/jobs"], ""),
    ],
)
def test_a_wrong_query_is_refused_by_place(
    trained: TestClient, change: dict[str, Any], pointers: list[str], words: str
) -> None:
    answer = trained.post("/metric-queries", json={"filter": {}, **change})

    assert problem(answer) == (422, "validation-error", pointers)
    assert words in answer.text


def test_a_query_needs_no_turn_of_those_that_write(client: TestClient) -> None:
    job = long_job(client, 20)

    with work.database(client).writing(), ThreadPoolExecutor() as threads:
        asked = threads.submit(client.post, "/metric-queries", json={"jobs": [job]})
        answer: httpx.Response = asked.result(timeout=20)

    assert answer.status_code == 200
