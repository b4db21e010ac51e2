"""Whatever is sent, the answer is short, says what rule was broken, and repeats nothing."""

from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from service.api.shared.problems import Problem
from tests.api import work
from tests.api.hostile_comparisons import COMPARISON_ROWS
from tests.api.hostile_images import FORM, FORM_ROWS, PATH, PICTURE_ROWS, PIXEL_ROWS, part
from tests.api.hostile_models import MODEL_ROWS
from tests.api.hostile_paths import PATH_ROWS
from tests.api.hostile_rows import CANARY, JSON_ROWS, PNG, READ_ROWS, SPEC_ROWS, Row
from tests.serving.picture_files import saved

TABLE = [
    *JSON_ROWS,
    *SPEC_ROWS,
    *READ_ROWS,
    *PATH_ROWS,
    *MODEL_ROWS,
    *COMPARISON_ROWS,
    *PIXEL_ROWS,
    *FORM_ROWS,
    *PICTURE_ROWS,
]
DIGIT = saved(np.pad(np.full((20, 4), 255, np.uint8), ((4, 4), (12, 12))), "PNG")


def sent(client: TestClient, job: dict[str, Any], row: Row) -> httpx.Response:
    headers = {"X-Request-ID": CANARY, "User-Agent": CANARY, **row.headers}
    path = row.path.replace("{id}", job["id"])
    answer: httpx.Response = client.request(row.method, path, headers=headers, content=row.body)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
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


HARMLESS = [
    Row("C14 method override", "GET", "/jobs/{id}", {"X-HTTP-Method-Override": "DELETE"}, None, 200, ""),
    Row("C19 Accept", "GET", "/jobs/{id}", {"Accept": f"text/{CANARY}"}, None, 200, ""),
    Row("C24 forwarded", "GET", "/jobs", {"X-Forwarded-For": CANARY, "Forwarded": CANARY}, None, 200, ""),
    Row("If-None-Match", "GET", "/jobs/{id}", {"If-None-Match": CANARY}, None, 200, ""),
    Row("Range", "GET", "/jobs/{id}/checkpoints/latest/weights", {"Range": CANARY}, None, 200, ""),
    Row("C95 trailing data", "POST", PATH, PNG, DIGIT + CANARY.encode() * 100_000, 200, ""),
    *(
        Row(
            f"C83 filename {n}",
            "POST",
            PATH,
            FORM,
            part(DIGIT, f'name="file"; filename="{name}"') + b"--b--\r\n",
            200,
            "",
        )
        for n, name in enumerate(
            (
                f"../../{CANARY}.png",
                "",
                "CON",
                f"\u202egnp.{CANARY}",
                f"{CANARY}\x00.png",
                f"<b>{CANARY}</b>",
                CANARY * 300,
            )
        )
    ),
    *(
        Row(f"C84 declared {kind}", "POST", PATH, FORM, part(DIGIT, kind=kind) + b"--b--\r\n", 200, "")
        for kind in ("text/html", "image/svg+xml", f"x/{CANARY}")
    ),
]


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
    answer = trained.post(f"/jobs/{job['id']}/predict", files={"picture": ("x.png", DIGIT)})

    [place] = answer.json()["errors"]
    assert place["message"] == "must be one or more files, each in a part named file, files, image or images"


def test_no_answer_is_without_a_request_id_of_ours(trained: TestClient) -> None:
    answers = [trained.get(path, headers={"X-Request-ID": CANARY}) for path in ("/jobs", "/livez", "/none")]

    found = [answer.headers["X-Request-ID"] for answer in answers]
    assert [name[:4] for name in found] == ["req_"] * 3
    assert len({*found}) == 3
