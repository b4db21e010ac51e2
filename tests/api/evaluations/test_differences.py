"""The difference of two nets counts each image once, and claims no more than its numbers show."""

from typing import Any

import pytest
from scipy import stats
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.store import jobs
from tests.api import work
from tests.api.work import problem


@pytest.fixture
def two(copied: TestClient, job: dict[str, Any], digits: Digits) -> tuple[str, str]:
    """The ids of a net that is trained well, and of one that is not."""
    return job["id"], work.trained(copied, digits, **work.SHORT)["id"]


def wrong(client: TestClient, job_id: str) -> dict[int, int]:
    """By index of each image that the net misclassifies: what it predicts."""
    found = client.get(f"/jobs/{job_id}/evaluation?limit=10000").json()["misclassified"]
    return {each["index"]: each["predicted"] for each in found}


@pytest.mark.slow
def test_a_difference_counts_who_is_right(copied: TestClient, two: tuple[str, str], mnist: Digits) -> None:
    first, second = (wrong(copied, each) for each in two)
    labels = mnist.test.labels.tolist()
    differing = [
        {"index": index, "true": true, "first": first.get(index, true), "second": second.get(index, true)}
        for index, true in enumerate(labels)
        if first.get(index, true) != second.get(index, true)
    ]

    answer = copied.get(f"/jobs/{two[0]}/difference/{two[1]}?limit=7").json()

    counts = {
        "n": 10_000,
        "both_right": 10_000 - len({*first} | {*second}),
        "only_first_right": len({*second} - {*first}),
        "only_second_right": len({*first} - {*second}),
        "both_wrong": len({*first} & {*second}),
    }
    low, high = answer["interval"]
    assert {name: answer[name] for name in counts} == counts
    assert answer["accuracy_difference"] == (len(second) - len(first)) / 10_000
    assert low < answer["accuracy_difference"] < high
    assert answer["p"] == stats.binomtest(counts["only_first_right"], len({*first} ^ {*second})).pvalue
    assert (answer["n_disagreements"], answer["disagreements"]) == (len(differing), differing[:7])
    assert (answer["verdict"], answer["first"]["job_id"], answer["second"]["job_id"]) == ("better", *two)
    assert answer["sentence"].startswith("The first net was better than the second net: ")
    assert answer["sentence"].endswith("needs several seeds.")


@pytest.mark.slow
def test_the_other_way_round_the_difference_has_the_other_sign(
    copied: TestClient, two: tuple[str, str]
) -> None:
    forth, back = (copied.get(f"/jobs/{a}/difference/{b}").json() for a, b in (two, two[::-1]))

    assert back["accuracy_difference"] == -forth["accuracy_difference"]
    assert back["interval"] == [-end for end in reversed(forth["interval"])]
    assert (back["verdict"], back["p"]) == ("worse", forth["p"])


def test_a_net_does_not_differ_from_itself_and_may_differ_from_its_earlier_checkpoint(
    trained: TestClient, job: dict[str, Any]
) -> None:
    address = f"/jobs/{job['id']}/difference/{job['id']}"

    same = trained.get(address).json()
    earlier = trained.get(f"{address}?other_checkpoint=500").json()

    assert (same["p"], same["verdict"], same["disagreements"]) == (1, "not_told_apart", [])
    assert (earlier["first"]["step"], earlier["second"]["step"]) == (1000, 500)
    assert earlier["n_disagreements"] > 0


def test_jobs_of_two_data_sets_are_not_compared(copied: TestClient, two: tuple[str, str]) -> None:
    work.store_spec(copied, two[1], dataset="fashion_mnist")

    answer = copied.get(f"/jobs/{two[0]}/difference/{two[1]}")

    assert problem(answer) == (422, "validation-error", ["/other_id"])


@pytest.mark.slow
def test_another_data_set_than_that_of_the_training_is_refused(
    copied: TestClient, two: tuple[str, str]
) -> None:
    with work.database(copied).writing() as session:
        jobs.get(session, two[1]).data_sha256 = "0" * 64

    answer = copied.get(f"/jobs/{two[1]}/evaluation")

    assert problem(answer) == (409, "dataset-unavailable", [])


def test_an_unknown_job_is_not_found(trained: TestClient, job: dict[str, Any]) -> None:
    answer = trained.get(f"/jobs/{job['id']}/difference/job_{'0' * 32}")

    assert problem(answer) == (404, "job-not-found", [])
