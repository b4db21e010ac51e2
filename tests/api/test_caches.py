"""What an ended job has stored never changes: clients may keep it, for as long as the job may be missed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.metrics import MetricRow
from tests.api import planted, work
from tests.api.conftest import serving
from tests.api.described import PATHS

ENDED, RUNNING = "private, max-age=3600, immutable", "no-cache"
STORED = (
    "metrics",
    "metrics?format=csv",
    "metrics?format=ndjson",
    "telemetry",
    "init-report",
    "checkpoints",
    "checkpoints/latest",
    "checkpoints/latest/weights",
)
ROW = MetricRow(1, 2.5, 0.1, None, None, None, None, 0.25)


@pytest.mark.parametrize("path", [*STORED, "checkpoints/1000", "checkpoints/1000/weights"])
def test_what_an_ended_job_has_stored_may_be_kept(
    trained: TestClient, job: dict[str, Any], path: str
) -> None:
    address = f"/jobs/{job['id']}/{path}"
    first = trained.get(address)

    known = trained.get(address, headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, first.headers["Cache-Control"]) == (200, ENDED)
    assert (known.status_code, known.content) == (304, b"")
    assert [known.headers[name] for name in ("ETag", "Cache-Control")] == [first.headers["ETag"], ENDED]
    assert known.headers.get("Vary") == first.headers.get("Vary")


@pytest.mark.slow
@pytest.mark.parametrize("path", STORED[:-2])
def test_what_a_running_job_has_stored_is_asked_for_again(
    sqlite_client: TestClient, digits: Digits, path: str
) -> None:
    job = work.begun(sqlite_client, digits, eval_every=5, checkpoint_every=5)

    answer = sqlite_client.get(f"/jobs/{job['id']}/{path}")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, RUNNING)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_a_history_that_ended_early_may_be_kept(sqlite_client: TestClient, end: str, digits: Digits) -> None:
    job = work.submitted(sqlite_client)
    if end == "failed":
        job = work.trained(sqlite_client, digits, norm="weight", init=True, learning_rate=1e6)
    sqlite_client.post(f"/jobs/{job['id']}/cancel")

    answer = sqlite_client.get(f"/jobs/{job['id']}/metrics")

    assert answer.headers["Cache-Control"] == ENDED


def test_the_job_itself_may_change_after_its_end(trained: TestClient, job: dict[str, Any]) -> None:
    assert trained.get(f"/jobs/{job['id']}").headers["Cache-Control"] == RUNNING


@pytest.mark.parametrize("path", ["metrics", "telemetry", "init-report"])
def test_a_history_s_etag_changes_with_its_rows(client: TestClient, path: str) -> None:
    job = work.submitted(client)
    attempt = work.claimed(client, job["id"])
    before = client.get(f"/jobs/{job['id']}/{path}").headers["ETag"]

    work.record(client, attempt, ROW)

    assert client.get(f"/jobs/{job['id']}/{path}").headers["ETag"] != before


def test_a_history_s_etag_names_what_is_shown(trained: TestClient, job: dict[str, Any]) -> None:
    shown = (
        "",
        "?start_step=2",
        "?limit=9",
        "?keys=train_loss",
        "?layout=columns",
        "?format=csv",
        "?format=ndjson",
    )

    found = {trained.get(f"/jobs/{job['id']}/metrics{query}").headers["ETag"] for query in shown}

    assert len(found) == len(shown)


def test_two_jobs_of_equal_histories_have_two_etags(client: TestClient) -> None:
    ids = [work.submitted(client)["id"] for _ in range(2)]

    assert len({client.get(f"/jobs/{job_id}/metrics").headers["ETag"] for job_id in ids}) == 2


def test_an_etag_of_a_history_reads_no_row(trained: TestClient, job: dict[str, Any]) -> None:
    address = f"/jobs/{job['id']}/metrics?format=csv"
    etag = trained.get(address).headers["ETag"]

    answer = trained.head(address, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.headers["ETag"]) == (304, etag)


@pytest.fixture(scope="module")
def unchanged(
    trained_file: Path, tmp_path_factory: pytest.TempPathFactory, job: dict[str, Any]
) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """The API with a job and a comparison that have ended, and what paths name."""
    folder = tmp_path_factory.mktemp("unchanged")
    file = shutil.copy(trained_file, folder / "copied.db")
    with serving(f"sqlite:///{file}", folder) as client:
        compared = planted.comparison(client, lambda *_: 0.9, seeds=3, learning_rates=[0.1])
        ids = {"job_id": job["id"], "other_id": job["id"], "comparison_id": compared["id"], "which": "latest"}
        client.put("/models/digits", json={"job": job["id"]}).raise_for_status()
        webhook = client.post("/webhooks", json={"url": "https://example.org/normserve"}).json()["id"]
        pinged = client.post(f"/webhooks/{webhook}/test").json()
        ids |= {"webhook_id": webhook, "delivery_id": pinged["id"]}
        yield client, {**ids, "model_name": "digits", "name": "mnist", "split": "test", "index": "0"}


CONDITIONAL = [
    path for path, methods in PATHS.items() if "304" in methods.get("get", {}).get("responses", {})
]


@pytest.mark.slow
@pytest.mark.parametrize("path", CONDITIONAL)
def test_an_unchanged_resource_reads_no_metrics(
    unchanged: tuple[TestClient, dict[str, str]], path: str
) -> None:
    client, names = unchanged
    first = client.get(path.format(**names))
    read: list[str] = []
    listening = (work.database(client).engine, "before_cursor_execute", lambda *call: read.append(call[2]))

    event.listen(*listening)
    known = client.get(first.url.path, headers={"If-None-Match": first.headers["ETag"]})
    event.remove(*listening)

    assert (first.status_code, known.status_code, known.content) == (200, 304, b"")
    assert known.headers["ETag"] == first.headers["ETag"]
    assert [statement for statement in read if "metrics" in statement] == []


def test_what_clients_poll_is_conditional() -> None:
    assert {
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/metrics",
        "/jobs/{job_id}/telemetry",
        "/jobs/{job_id}/checkpoints",
        "/comparisons",
        "/comparisons/{comparison_id}",
        "/comparisons/{comparison_id}/runs",
        "/comparisons/{comparison_id}/summary",
        "/comparisons/{comparison_id}/curves",
        "/comparisons/{comparison_id}/robustness",
        "/queue",
    } <= set(CONDITIONAL)


def test_a_stream_that_may_grow_has_no_etag(sqlite_client: TestClient, digits: Digits) -> None:
    job = work.begun(sqlite_client, digits)

    answer = sqlite_client.get(f"/jobs/{job['id']}/metrics?format=csv")

    assert "ETag" not in answer.headers


def test_steps_of_equal_weights_have_two_etags(sqlite_client: TestClient, digits: Digits) -> None:
    job = work.trained(sqlite_client, digits, **work.SHORT)
    address = f"/jobs/{job['id']}/checkpoints"
    work.store_weights(
        sqlite_client, job["id"], sqlite_client.get(f"{address}/10/weights").content, summed=True
    )

    files = [sqlite_client.get(f"{address}/{step}/weights") for step in (10, 20)]

    rows = [sqlite_client.get(f"{address}/{step}") for step in (10, 20)]
    assert files[0].content == files[1].content
    assert [len({answer.headers["ETag"] for answer in answers}) for answers in (files, rows)] == [2, 2]
