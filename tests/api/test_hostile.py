"""Whatever is sent, the answer is short, says what rule was broken, and repeats nothing."""

from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.shared.problems import Problem
from tests.api import work
from tests.api.hostile import ELSEWHERE, HARMLESS, NAMES, NUMBERS, REFUSED, numbers, sent
from tests.api.hostile_images import SEVEN
from tests.api.hostile_rows import CANARY, Row
from tests.pages import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("row", REFUSED, ids=[row.name for row in REFUSED])
def test_a_hostile_request_is_refused(trained: TestClient, job: dict[str, Any], row: Row) -> None:
    answer = sent(trained, job, row)

    problem = Problem.model_validate_json(answer.content, strict=True)
    assert (answer.status_code, problem.code) == (row.status, row.code)
    assert tuple(place.pointer for place in problem.errors) == row.pointers
    assert (problem.type, problem.status) == (f"/problems/{row.code}", row.status)
    assert problem.instance == answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert work.SENTENCE.fullmatch(problem.detail)
    assert all([problem.title, *(place.message for place in problem.errors)])
    assert len(answer.content) <= 4096
    assert CANARY not in f"{answer.headers}{answer.text}"
    assert trained.get("/jobs").json()["items"] == [job]
    assert trained.get("/comparisons").json()["items"] == []


@pytest.mark.parametrize("row", HARMLESS, ids=[row.name for row in HARMLESS])
def test_what_means_nothing_is_ignored(trained: TestClient, job: dict[str, Any], row: Row) -> None:
    answer = sent(trained, job, row)

    assert answer.status_code == 200
    assert CANARY.encode() not in answer.content
    assert CANARY not in str(answer.headers)
    assert trained.get("/jobs").json()["items"] == [job]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lerning_rate", "learning_rate"),
        ("step", "steps"),
        ("batchsize", "batch_size"),
        ("lable", "label"),
        ("lr", "learning_rate"),
        ("latest", None),
        ("xyz", None),
    ],
)
def test_an_unknown_field_names_the_nearest(trained: TestClient, given: str, meant: str | None) -> None:
    answer = trained.post("/jobs", json={given: 1})

    nearest = f"; did you mean {meant}?" if meant else ""
    assert answer.json()["errors"] == [
        {"pointer": f"/{given}", "code": "extra_forbidden", "message": f"is not a known field{nearest}"}
    ]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "message"),
    [
        (
            "/jobs",
            {"seeds": 3},
            "/seeds",
            "is not a known field; a job trains one net; POST /comparisons takes seeds",
        ),
        (
            "/jobs",
            {"n_units": [128, 64]},
            "/n_units",
            "must be an integer (all hidden layers have this width, and n_hidden is their number)",
        ),
        (
            "/jobs",
            {"hidden": [128, 64]},
            "/hidden",
            "is not a known field; did you mean n_units? "
            "(all hidden layers have this width, and n_hidden is their number)",
        ),
        (
            "/comparisons",
            {"steps": 3},
            "/steps",
            "is not a known field; put steps into base, or into an arm",
        ),
        (
            "/comparisons",
            {"base": {"seed": 3}},
            "/base/seed",
            "is not a known field; all arms have the same seeds, in seeds of the comparison",
        ),
        (
            "/comparisons",
            {"arms": ["none"]},
            "/arms/0",
            'must be an object such as {"name": "none", "norm": "none"}',
        ),
        (
            "/comparisons",
            {"preset": "article", "seeds": "2"},
            "/seeds",
            "must be a list of seeds, or their number (an integer)",
        ),
    ],
    ids=str,
)
def test_an_error_says_what_to_do(
    trained: TestClient, path: str, body: Any, pointer: str, message: str
) -> None:
    answer = trained.post(path, json=body)

    [place] = answer.json()["errors"]
    assert (place["pointer"], place["message"]) == (pointer, message)


def test_a_part_of_another_name_shows_the_right_ones(trained: TestClient, job: dict[str, Any]) -> None:
    answer = trained.post(f"/jobs/{job['id']}/predict", files={"picture": ("x.png", SEVEN)})

    [place] = answer.json()["errors"]
    assert place["message"] == "must be one or more files, each in a part named file, files, image or images"


def test_no_answer_is_without_a_request_id_of_ours(trained: TestClient) -> None:
    answers = [trained.get(path, headers={"X-Request-ID": CANARY}) for path in ("/jobs", "/livez", "/none")]

    found = [answer.headers["X-Request-ID"] for answer in answers]
    assert [name[:4] for name in found] == ["req_"] * 3
    assert len({*found}) == 3


def test_every_number_of_the_catalogue_has_a_row_or_a_test() -> None:
    assert {*NUMBERS} - numbers() == {*ELSEWHERE}
    assert numbers() <= {*NUMBERS}
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []


@pytest.mark.parametrize(("path", "name"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_test_of_a_number_exists(path: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / path).read_text()
