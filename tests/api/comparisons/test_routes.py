"""Comparisons over HTTP: created whole, watched, extended, cancelled, deleted; nothing half stored."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.comparison import PRESETS, ComparisonSpec
from models.specs.written import comparison_bytes
from service.store import comparisons, jobs
from service.work import task
from tests.api import work

SHORT = {"steps": 4, "eval_every": 4, "checkpoint_every": 4}
ARTICLE = {"preset": "article", "seeds": 2, "base": SHORT}


def created(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/comparisons", json={**ARTICLE, **body})
    assert answer.status_code == 201, answer.text
    comparison: dict[str, Any] = answer.json()
    return comparison


def train(client: TestClient, digits: Digits, comparison_id: str) -> None:
    """Train all that waits, as workers would."""
    waiting = client.get("/jobs", params={"comparison_id": comparison_id, "limit": 200}).json()["items"]
    for job in waiting:
        work.train(client, digits, job["id"])


def test_a_comparison_submits_every_run(client: TestClient) -> None:
    comparison = created(client, label="the memo")

    found = client.get(comparison["links"]["jobs"] + "&limit=200&sort=created_at").json()["items"]
    assert comparison["arms"] == ["none", "weight", "weight+init", "batch", "layer"]
    assert (comparison["baseline"], comparison["seeds"], comparison["jobs"]) == ("none", [0, 1], 10)
    assert (comparison["status"], comparison["progress"]["queued"]) == ("running", 10)
    assert [(job["seed"], job["arm"]) for job in found] == [
        (seed, arm) for seed in (0, 1) for arm in comparison["arms"]
    ]
    assert {job["comparison_id"] for job in found} == {comparison["id"]}
    assert client.get(comparison["links"]["self"]).json() == comparison


def test_seeds_that_are_not_given_are_enough_and_stored(client: TestClient) -> None:
    body = {"preset": "article", "base": SHORT}

    comparison = client.post("/comparisons", json=body).json()

    with work.database(client).reading() as session:
        assert comparisons.get(session, comparison["id"]).spec["seeds"] == list(range(8))
    assert (comparison["seeds"], comparison["jobs"], comparison["warnings"]) == ([*range(8)], 40, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "needed"),
    [
        ({"seeds": 7}, [8]),
        ({"seeds": [5, 9, 2**40]}, [8]),
        ({"seeds": 8}, []),
        ({"preset": None, "arms": [{"name": "only"}], "seeds": 1}, []),
        ({"preset": None, "arms": [{"name": "a"}, {"name": "b"}], "seeds": 5}, [6]),
    ],
    ids=str,
)
def test_too_few_seeds_are_warned_of_at_once(
    client: TestClient, body: dict[str, Any], needed: list[int]
) -> None:
    comparison = created(client, **body)

    assert [(each["code"], each["seeds_needed"]) for each in comparison["warnings"]] == [
        ("too_few_seeds", n_seeds) for n_seeds in needed
    ]
    assert client.get(comparison["links"]["self"]).json()["warnings"] == comparison["warnings"]


def test_an_extension_to_enough_seeds_ends_the_warning(client: TestClient) -> None:
    comparison = created(client)

    extended = client.post(f"{comparison['links']['self']}/extend", json={"seeds": 8}).json()

    assert (len(comparison["warnings"]), extended["warnings"]) == (1, [])


@pytest.mark.slow
def test_arms_of_one_seed_have_equal_starts_and_equal_data(client: TestClient, digits: Digits) -> None:
    comparison = created(client)
    train(client, digits, comparison["id"])

    found = client.get(comparison["links"]["self"]).json()
    progress, fairness = found["progress"], found["fairness"]
    assert (found["status"], progress["succeeded"], progress["percent"]) == ("ended", 10, 100)
    assert (fairness["complete"], fairness["fair"], len(fairness["seeds"])) == (True, True, 2)
    assert {len(seed["init_digests"]) for seed in fairness["seeds"]} == {1}
    assert {len(seed["data_digests"]) for seed in fairness["seeds"]} == {1}


def test_arms_of_unlike_shapes_are_fair_with_unlike_starts(client: TestClient, digits: Digits) -> None:
    arms = [{"name": "small", "n_units": 8}, {"name": "large", "n_units": 16}]
    comparison = created(client, preset=None, arms=arms, seeds=1)
    train(client, digits, comparison["id"])

    fairness = client.get(comparison["links"]["self"]).json()["fairness"]
    assert (fairness["fair"], len(fairness["seeds"][0]["init_digests"])) == (True, 2)


@pytest.mark.slow
def test_a_repeated_request_creates_one_comparison(client: TestClient) -> None:
    answers = [
        client.post("/comparisons", json=ARTICLE, headers={"idempotency-key": "once"}) for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["location"] == f"/comparisons/{answers[0].json()['id']}"
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(client.get("/jobs?limit=200").json()["items"]) == 10


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, ["/arms"]),
        ({"preset": "article", "seeds": 201}, ["/arms", "/seeds"]),
        ({"preset": "article", "baseline": "rms"}, ["/baseline"]),
        ({"arms": [{"name": "a"}, {"name": "a"}]}, ["/arms/0/name", "/arms/1/name"]),
        ({"arms": [{"name": "a"}, {"name": "b", "norm": "bach"}]}, ["/arms/1/norm"]),
        ({"arms": [{"name": "a", "norm": "group", "groups": 7}]}, ["/arms/0/groups", "/arms/0/n_units"]),
        ({"preset": "article", "base": {"n_units": 0}}, ["/base/n_units"]),
        ({"preset": "article", "color": "red"}, ["/color"]),
    ],
)
def test_a_wrong_comparison_is_refused_by_place_and_nothing_is_stored(
    client: TestClient, body: dict[str, Any], places: list[str]
) -> None:
    answer = client.post("/comparisons", json=body)

    assert work.problem(answer) == (422, "validation-error", places)
    assert client.get("/comparisons").json()["items"] == client.get("/jobs").json()["items"] == []


def test_an_extension_adds_seeds_and_arms(client: TestClient) -> None:
    comparison = created(client)

    found = client.post(
        f"/comparisons/{comparison['id']}/extend",
        json={"seeds": 3, "arms": [{"name": "rms", "norm": "rms"}]},
    ).json()

    added = client.get("/jobs", params={"comparison_id": comparison["id"], "norm": "rms"}).json()["items"]
    assert (found["seeds"], found["arms"][-1], found["jobs"]) == ([0, 1, 2], "rms", 18)
    assert [job["steps"] for job in added] == [SHORT["steps"]] * 3


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"arms": [{"name": "b"}, {"name": "mine", "steps": 9}]}, ["/arms/1/name"]),
        ({"arms": [{"name": "mine"}, {"name": "b", "steps": 0}]}, ["/arms/1/steps"]),
        ({"arms": [{"name": "b", "steps": 0}]}, ["/arms/0/steps"]),
        ({"arms": [{"name": "b", "groups": 4}]}, ["/arms/0/norm", "/arms/0/groups"]),
        ({"seeds": 501}, ["/arms", "/seeds"]),
        ({"arms": [{"name": "mine", "norm": "batch"}]}, ["/arms/0/name"]),
    ],
)
def test_a_wrong_extension_is_refused_where_it_was_given(
    client: TestClient, body: dict[str, Any], places: list[str]
) -> None:
    comparison = created(client, preset=None, arms=[{"name": "mine"}, {"name": "other"}])

    answer = client.post(f"/comparisons/{comparison['id']}/extend", json=body)

    assert work.problem(answer) == (422, "validation-error", places)
    assert client.get(comparison["links"]["self"]).json() == comparison


def test_an_arm_of_a_preset_is_not_changed_by_an_extension(client: TestClient) -> None:
    comparison = created(client)

    answer = client.post(
        f"{comparison['links']['self']}/extend", json={"arms": [{"name": "weight", "norm": "layer"}]}
    )

    assert work.problem(answer) == (422, "validation-error", ["/arms/0/name"])
    assert client.get(comparison["links"]["self"]).json() == comparison


def test_a_preset_that_another_release_changes_leaves_what_there_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = created(client)
    monkeypatch.setitem(PRESETS, "article", [*PRESETS["article"], {"name": "rms", "norm": "rms"}])

    extended = client.post(f"{comparison['links']['self']}/extend", json={"seeds": 3}).json()

    assert (extended["arms"], extended["jobs"]) == (comparison["arms"], 15)
    assert extended["preset"] == "article"
    assert {client.get(comparison["links"][name]).status_code for name in ("summary", "report.md")} == {200}


def test_a_comparison_is_cancelled_and_deleted_with_its_jobs(client: TestClient, digits: Digits) -> None:
    comparison = created(client)
    url = comparison["links"]["self"]
    first = client.get(comparison["links"]["jobs"] + "&sort=created_at").json()["items"][0]
    work.train(client, digits, first["id"])

    early = client.delete(url)
    cancelled = [client.post(f"{url}/cancel").json()["progress"] for _ in range(2)]
    kept = client.delete(f"/jobs/{first['id']}")
    deleted = client.delete(url).json()

    assert work.problem(early)[:2] == (409, "comparison-not-ended")
    assert [(each["succeeded"], each["cancelled"]) for each in cancelled] == [(1, 9), (1, 9)]
    assert work.problem(kept)[:2] == (409, "job-in-use")
    assert (deleted["jobs"], deleted["freed_bytes"] > 0) == (10, True)
    assert client.get(url).status_code == client.get(f"/jobs/{first['id']}").status_code == 404


def test_a_task_finds_that_its_comparison_was_cancelled(client: TestClient, digits: Digits) -> None:
    comparison = created(client, base={"steps": 100_000})
    job = client.get(comparison["links"]["jobs"]).json()["items"][0]
    attempt = work.claimed(client, job["id"])

    client.post(f"/comparisons/{comparison['id']}/cancel")
    task.train_claimed(work.database(client), lambda _: digits, [attempt])

    with work.database(client).reading() as session:
        assert jobs.get(session, job["id"]).status == "cancelled"


def test_pages_hold_every_comparison_once(client: TestClient) -> None:
    ids = [created(client)["id"] for _ in range(3)]

    first = client.get("/comparisons?limit=2")
    second = client.get(f"/comparisons?limit=2&cursor={first.json()['next_cursor']}")

    assert work.ids(first) + work.ids(second) == ids[::-1]
    assert second.json()["next_cursor"] is None


@pytest.mark.parametrize("comparison_id", ["cmp_" + 32 * "0", "no", "job_" + 32 * "0"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel")])
def test_a_comparison_that_there_is_not_is_not_found(
    client: TestClient, method: str, rest: str, comparison_id: str
) -> None:
    answer = client.request(method, f"/comparisons/{comparison_id}{rest}")

    assert work.problem(answer) == (404, "comparison-not-found", [])


LARGE = {"steps": 1_000_000, "checkpoint_every": 10, "keep_checkpoints": 100}


def test_a_comparison_that_would_fill_a_disk_is_refused_with_both_figures(client: TestClient) -> None:
    body: dict[str, Any] = {"preset": "article", "seeds": 3, "base": LARGE}

    answer = client.post("/comparisons", json=body)

    needed, allowed = (
        comparison_bytes(ComparisonSpec(**body)),
        client.get("/limits").json()["max_written_bytes"],
    )
    assert work.problem(answer) == (422, "validation-error", ["/arms", "/seeds"])
    assert f"about {needed} bytes" in answer.json()["detail"]
    assert f"at most {allowed} are" in answer.json()["detail"]


def test_an_extension_that_would_fill_a_disk_adds_nothing(client: TestClient) -> None:
    comparison = created(client, base=LARGE)

    answer = client.post(comparison["links"]["self"] + "/extend", json={"seeds": 3})

    assert work.problem(answer) == (422, "validation-error", ["/arms", "/seeds"])
    assert client.get(comparison["links"]["self"]).json() == comparison
