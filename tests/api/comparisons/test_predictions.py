"""One image through every arm: the predictions of each, what most see, and why an arm has no net."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.conftest import serving
from tests.pages import ROOT

ARMS = [
    {"name": "plain"},
    {"name": "WN", "norm": "weight", "init": True},
    {"name": "wild", "norm": "weight", "init": True, "optimizer": "adam", "learning_rate": 1e5},
]
BODY = {"arms": ARMS, "base": {**work.SHORT, "n_units": 8}, "seeds": [3, 1, 7]}
SEVEN = (ROOT / "docs/seven.png").read_bytes()
PIXELS = {"images": [[0.5] * 784, [0.25] * 784], "top_k": 2}


@pytest.fixture(scope="module")
def client(
    migrated_sqlite: Path, digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """The API with a comparison: all arms are trained with seed 7, one with seed 1, none with seed 3."""
    folder = tmp_path_factory.mktemp("comparison")
    path = shutil.copy(migrated_sqlite, folder / "normserve.db")
    with serving(f"sqlite:///{path}", folder) as client:
        created = client.post("/comparisons", json=BODY).json()
        for job in client.get(created["links"]["jobs"]).json()["items"]:
            if job["seed"] == 7 or (job["seed"], job["arm"]) == (1, "plain"):
                work.train(client, digits, job["id"])
        yield client


@pytest.fixture(scope="module")
def url(client: TestClient) -> str:
    [comparison] = client.get("/comparisons").json()["items"]
    return f"{comparison['links']['self']}/predict"


def test_every_arm_predicts_as_its_job_does(client: TestClient, url: str) -> None:
    answer = client.post(url, json=PIXELS)

    body = answer.json()
    assert (answer.status_code, body["seed"]) == (200, 7)
    assert [arm["arm"] for arm in body["arms"]] == ["plain", "WN", "wild"]
    for arm in body["arms"]:
        if arm["model"]:
            own = client.post(f"/jobs/{arm['job_id']}/predict", json={**PIXELS, "return": ["probabilities"]})
            assert {"outputs": None, **{name: arm[name] for name in ("model", "predictions")}} == own.json()
            assert arm["missing"] is None


def test_a_vote_is_the_digit_that_most_arms_see(client: TestClient, url: str) -> None:
    body = client.post(url, json=PIXELS).json()

    voters = {arm["arm"]: arm["predictions"] for arm in body["arms"] if arm["predictions"]}
    assert len(body["votes"]) == len(PIXELS["images"])  # type: ignore[arg-type]
    for place, vote in enumerate(body["votes"]):
        seen = {arm: predictions[place]["digit"] for arm, predictions in voters.items()}
        others = [arm for arm, digit in seen.items() if digit != vote["digit"]]
        assert vote["dissenting"] == others
        assert vote["unanimous"] == (not others)
        assert vote["agreement"] == (len(seen) - len(others)) / len(seen)
        assert vote["agreement"] >= max(map([*seen.values()].count, seen.values())) / len(seen)


def test_an_arm_without_a_net_says_why(client: TestClient, url: str) -> None:
    body = client.post(f"{url}?seed=1", json=PIXELS).json()

    plain, *others = body["arms"]
    assert (body["seed"], plain["missing"], len(plain["predictions"])) == (1, None, 2)
    missing = {"code": "model-not-ready", "message": "the run is queued and has no checkpoint"}
    assert [(arm["model"], arm["predictions"], arm["missing"]) for arm in others] == [(None, [], missing)] * 2
    assert [arm["job_id"].startswith("job_") for arm in others] == [True, True]
    assert [vote["agreement"] for vote in body["votes"]] == [1.0, 1.0]


@pytest.mark.parametrize("checkpoint", ["10", "best", "latest"])
def test_the_checkpoint_is_chosen_for_all_arms(client: TestClient, url: str, checkpoint: str) -> None:
    body = client.post(f"{url}?checkpoint={checkpoint}", json=PIXELS).json()

    own = client.post(
        f"/jobs/{body['arms'][0]['job_id']}/predict?checkpoint={checkpoint}", json=PIXELS
    ).json()
    assert body["arms"][0]["model"] == own["model"]


def test_a_picture_goes_through_every_arm(client: TestClient, url: str) -> None:
    for sent in (
        {"files": {"file": SEVEN}},
        {"content": SEVEN, "headers": {"Content-Type": "image/png"}},
    ):
        body = client.post(url, **sent).json()

        shown = [arm["predictions"][0]["intake"]["polarity"] for arm in body["arms"] if arm["model"]]
        assert {*shown} == {"dark_on_light"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("?seed=3", (409, "model-not-ready", [])),
        ("?seed=4", (422, "validation-error", ["/seed"])),
        ("?seed=-1", (422, "validation-error", ["/seed"])),
        ("?checkpoint=newest", (422, "validation-error", ["/checkpoint"])),
        ("?checkpoint=7", (409, "model-not-ready", [])),
        ("?learning_rate=0.1", (422, "validation-error", ["/learning_rate"])),
        ("?arm=plain", (422, "validation-error", ["/arm"])),
    ],
)
def test_what_cannot_be_predicted_is_refused(client: TestClient, url: str, query: str, problem: Any) -> None:
    assert work.problem(client.post(url + query, json=PIXELS)) == problem


def test_a_wrong_image_and_too_many_are_refused(client: TestClient, url: str) -> None:
    wrong = client.post(url, json={"images": [[0.5] * 784, [0.5] * 783]})
    many = client.post(url, json={"images": [[0.5] * 784] * 86})
    none = client.post(f"/comparisons/cmp_{'0' * 32}/predict", json=PIXELS)

    assert work.problem(wrong) == (422, "validation-error", ["/images/1"])
    assert work.problem(many) == (422, "validation-error", ["/images"])
    assert work.problem(none) == (404, "comparison-not-found", [])


def test_each_arm_of_a_grid_predicts_with_its_best_rate(sqlite_client: TestClient, digits: Digits) -> None:
    body = {**BODY, "arms": ARMS[:2], "seeds": [0], "learning_rates": [0.1, 0.001]}
    created = sqlite_client.post("/comparisons", json=body).json()
    url = f"{created['links']['self']}/predict"
    unknown = sqlite_client.post(url, json=PIXELS)
    for job in sqlite_client.get(created["links"]["jobs"]).json()["items"]:
        work.train(sqlite_client, digits, job["id"])

    best = sqlite_client.post(url, json=PIXELS).json()
    slow = sqlite_client.post(f"{url}?learning_rate=0.001", json=PIXELS).json()

    assert work.problem(unknown) == (409, "model-not-ready", [])
    assert [arm["learning_rate"] for arm in best["arms"]] == [0.1, 0.1]
    assert [arm["learning_rate"] for arm in slow["arms"]] == [0.001, 0.001]


def test_models_predict_together(client: TestClient) -> None:
    ids = [job["id"] for job in client.get("/jobs?status=succeeded&sort=created_at").json()["items"]]
    queued = client.get("/jobs?status=queued&limit=1").json()["items"][0]["id"]
    client.put("/models/digits", json={"job": ids[0]}).raise_for_status()

    answers = [
        client.post("/predict", json={**PIXELS, "models": ["digits", queued, ids[1]]}),
        client.post(f"/predict?model=digits&model={queued}&model={ids[1]}", json=PIXELS),
    ]

    body = answers[0].json()
    assert answers[1].json() == body
    assert [each["asked"] for each in body["models"]] == ["digits", queued, ids[1]]
    named, missing, other = body["models"]
    assert (named["model"]["name"], named["model"]["version"], other["model"]["name"]) == ("digits", 1, None)
    assert missing["missing"]["code"] == "model-not-ready"
    assert (
        named["predictions"]
        == client.post("/models/digits/predict", json={**PIXELS, "return": ["probabilities"]}).json()[
            "predictions"
        ]
    )
    assert [{*vote["dissenting"]} <= {"digits", ids[1]} for vote in body["votes"]] == [True, True]
    picture = client.post("/predict?model=digits", files={"file": SEVEN}).json()
    assert picture["models"][0]["predictions"][0]["intake"]["polarity"] == "dark_on_light"


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        ([], (422, "validation-error", ["/models"])),
        (["a", "a"], (422, "validation-error", ["/models"])),
        ([f"m{n}" for n in range(17)], (422, "validation-error", ["/models"])),
        (["nothing"], (404, "model-not-found", [])),
        ([f"job_{'0' * 32}"], (404, "job-not-found", [])),
        (["a\n"], (422, "validation-error", ["/models/0"])),
        ([7], (422, "validation-error", ["/models/0"])),
        ("digits", (422, "validation-error", ["/models"])),
    ],
    ids=str,
)
def test_wrong_models_are_refused(client: TestClient, models: Any, problem: Any) -> None:
    assert work.problem(client.post("/predict", json={**PIXELS, "models": models})) == problem
