"""Figures of a comparison over HTTP: deterministic bytes, light and dark, bounded."""

from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.api import planted, work

HOSTILE = "<script>alert(1)</script> $x$ & _a"


@pytest.fixture
def created(client: TestClient) -> dict[str, Any]:
    return planted.comparison(
        client,
        lambda _arm, seed, _: 0.9 + 0.01 * seed,
        seeds=3,
        arms=[{"name": "none"}, {"name": HOSTILE, "norm": "batch"}],
    )


@pytest.mark.slow
def test_a_png_is_a_picture_of_two_panels(client: TestClient, created: dict[str, Any]) -> None:
    answer = client.get(created["links"]["plot.png"])

    assert answer.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(answer.content)).size[0] == 1800


@pytest.mark.slow
def test_an_svg_names_its_arms_and_runs_nothing(client: TestClient, created: dict[str, Any]) -> None:
    answer = client.get(created["links"]["plot.svg"])

    root = ElementTree.fromstring(answer.text)  # noqa: S314 # our own answer
    assert HOSTILE in "".join(root.itertext())
    assert root.findall(".//{http://www.w3.org/2000/svg}script") == []
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")


@pytest.mark.slow
def test_equal_histories_give_equal_bytes_and_other_questions_other_bytes(
    client: TestClient, created: dict[str, Any]
) -> None:
    url = created["links"]["plot.svg"]
    queries = [{}, {}, {"theme": "dark"}, {"band": "minmax"}]

    first, again, dark, extremes = (client.get(url, params=query) for query in queries)

    assert first.content == again.content
    assert len({first.content, dark.content, extremes.content}) == 3
    assert len({answer.headers["etag"] for answer in (first, dark, extremes)}) == 3
    kept = client.get(url, headers={"if-none-match": first.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")


@pytest.mark.slow
def test_a_figure_shows_one_metric_in_a_window(sqlite_client: TestClient) -> None:
    created = planted.comparison(sqlite_client, lambda *_: 0.9, seeds=2)
    url = created["links"]["plot.svg"]

    answer = sqlite_client.get(url, params={"metric": "train_loss", "start_step": 41, "end_step": 43})

    shown = {*ElementTree.fromstring(answer.text).itertext()}  # noqa: S314 # our own answer
    assert {"Train loss", "41", "42", "43"} <= shown
    assert "Test accuracy" not in shown


def test_a_comparison_that_has_not_begun_has_an_empty_figure(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 2}).json()

    assert "no values yet" in client.get(created["links"]["plot.svg"]).text


@pytest.mark.slow
def test_a_figure_of_too_many_arms_is_refused_and_its_report_says_so(client: TestClient) -> None:
    arms = [{"name": f"arm {place}"} for place in range(51)]
    created = client.post("/comparisons", json={"arms": arms, "seeds": 1}).json()

    figure = client.get(created["links"]["plot.png"])
    reports = [client.get(created["links"][name]).text for name in ("report.md", "report.html")]

    assert work.problem(figure) == (409, "too-many-arms", [])
    assert [report.count("too many arms") for report in reports] == [1, 1]


@pytest.mark.parametrize("query", [{"theme": "sepia"}, {"band": "iqr"}, {"learning_rate": 0.1}])
def test_a_wrong_question_is_refused_by_place(
    client: TestClient, created: dict[str, Any], query: dict[str, Any]
) -> None:
    answer = client.get(created["links"]["plot.svg"], params=query)

    assert work.problem(answer) == (422, "validation-error", [f"/{name}" for name in query])
