"""The figure of a job over HTTP: its curves, where it diverged, conditional, and bounded."""

from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from sqlalchemy import event
from starlette.testclient import TestClient

from models.specs.metrics import MetricRow
from tests.api import planted, work

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script> $x$ & _a"


def ended(client: TestClient, accuracy: float | None, **body: Any) -> dict[str, Any]:
    job = work.submitted(client, **planted.BASE, **body)
    planted.end(client, job, accuracy)
    return work.shown(client, job["id"])


def texts(svg: str) -> list[str]:
    return [text for text in ElementTree.fromstring(svg).itertext() if text.strip()]  # noqa: S314 # ours


def test_a_png_shows_loss_beside_accuracy(client: TestClient) -> None:
    job = ended(client, 0.95)

    answer = client.get(job["links"]["plot.png"])

    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == f'inline; filename="{job["id"]}-plot.png"'
    assert Image.open(BytesIO(answer.content)).size[0] == 1800


def test_an_svg_names_its_lines_and_runs_nothing(sqlite_client: TestClient) -> None:
    job = ended(sqlite_client, 0.95, label=HOSTILE)

    answer = sqlite_client.get(job["links"]["plot.svg"])

    shown = texts(answer.text)
    assert {"Loss", "Accuracy", "train", "test", "validation", HOSTILE} <= {*shown}
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")


def test_a_run_that_diverged_is_marked_where_it_ended(sqlite_client: TestClient) -> None:
    job = ended(sqlite_client, None, norm="batch")

    shown = texts(sqlite_client.get(job["links"]["plot.svg"]).text)

    assert shown.count("diverged at step 60") == 2
    assert "batch, seed 0: diverged at step 60 of 100" in shown


def test_a_window_has_only_its_own_marks(sqlite_client: TestClient) -> None:
    job = ended(sqlite_client, None, norm="batch")

    shown = texts(sqlite_client.get(job["links"]["plot.svg"], params={"start_step": 10, "end_step": 20}).text)

    assert ("diverged at step 60" in shown, {"10", "20"} <= {*shown}) == (False, True)


def test_a_row_that_is_not_finite_is_marked_in_its_panel(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)
    attempt = work.claimed(sqlite_client, job["id"])
    work.record(sqlite_client, attempt, MetricRow(1, 2.5, 0.1, float("inf"), 0.1, 2.0, 0.1, 0.25))

    shown = texts(sqlite_client.get(job["links"]["plot.svg"]).text)

    assert shown.count("not finite at step 1") == 1
    assert "none, seed 0: step 1 of 1,000" in shown


def test_a_job_that_has_not_begun_has_an_empty_figure(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)

    shown = texts(sqlite_client.get(job["links"]["plot.svg"]).text)

    assert shown.count("no values yet") == 2


def test_one_metric_has_one_panel_with_one_line(sqlite_client: TestClient) -> None:
    job = ended(sqlite_client, 0.95)

    shown = texts(sqlite_client.get(job["links"]["plot.svg"], params={"metric": "test_accuracy"}).text)

    assert [name in shown for name in ("Accuracy", "Loss", "test", "train")] == [True, False, True, False]


def test_a_client_that_has_the_figure_gets_304_without_a_look_at_the_metrics(client: TestClient) -> None:
    job = ended(client, 0.95)
    url = job["links"]["plot.svg"]
    first, again, dark = (client.get(url, params=query) for query in ({}, {}, {"theme": "dark"}))
    asked: list[str] = []
    event.listen(work.database(client).engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    kept = client.get(url, headers={"if-none-match": first.headers["etag"]})

    assert first.content == again.content != dark.content
    assert first.headers["etag"] != dark.headers["etag"]
    assert (kept.status_code, kept.content) == (304, b"")
    assert asked
    assert [statement for statement in asked if "metrics" in statement] == []


def test_a_new_label_changes_the_figure(sqlite_client: TestClient) -> None:
    job = ended(sqlite_client, 0.95)
    url = job["links"]["plot.svg"]
    known = sqlite_client.get(url).headers["etag"]
    sqlite_client.patch(f"/jobs/{job['id']}", json={"label": "a better name"})

    answer = sqlite_client.get(url, headers={"if-none-match": known})

    assert (answer.status_code, "a better name" in texts(answer.text)) == (200, True)


def test_a_long_history_has_a_small_figure(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client, steps=30_000, eval_every=1)
    rows = [MetricRow(n, 1 / n, n / 30_000, n % 7, 0.5, n % 5, 0.5, n) for n in range(1, 30_001)]
    work.record(sqlite_client, work.claimed(sqlite_client, job["id"]), *rows)

    figure = sqlite_client.get(job["links"]["plot.svg"]).content

    assert len(figure) < 300_000


@pytest.mark.parametrize("query", [{"theme": "sepia"}, {"metric": "elapsed_seconds"}, {"band": "sd"}])
def test_a_wrong_question_is_refused_by_place(sqlite_client: TestClient, query: dict[str, Any]) -> None:
    job = work.submitted(sqlite_client)

    answer = sqlite_client.get(job["links"]["plot.svg"], params=query)

    assert work.problem(answer) == (422, "validation-error", [f"/{name}" for name in query])
