"""An evaluation is that of the job's history, computed once per checkpoint; its mistakes are the net's."""

import csv
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.facts import NORMS
from tests.api import work
from tests.api.conftest import serving
from tests.api.work import problem

PATHS = ("evaluation", "confusion.csv", "misclassified.csv", "misclassified.png", "difference/{id}")
ODD: dict[str, Any] = {"n_units": 37, "steps": 20, "eval_every": 20, "checkpoint_every": 20}
SPECS: list[dict[str, Any]] = [
    *({"norm": norm, "init": True} for norm in NORMS if norm != "group"),
    {"norm": "group", "groups": 1, "init": True, "n_hidden": 3, "activation": "sigmoid"},
    {"norm": "batch", "scope": "all", "activation": "tanh"},
    {"net": "conv", "norm": "layer", "n_units": 5},
    {"net": "lstm", "norm": "none", "n_units": 5},
    {"net": "lstm", "norm": "layer", "n_units": 5},
]


@pytest.fixture(scope="module")
def here(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}"


@pytest.fixture(scope="module")
def found(trained: TestClient, here: str) -> dict[str, Any]:
    answer: dict[str, Any] = trained.get(f"{here}/evaluation?limit=10000").json()
    return answer


def table(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(answer.text)))


@pytest.mark.slow
def test_accuracy_and_loss_have_the_bits_of_the_history(sqlite_client: TestClient, mnist: Digits) -> None:
    for spec in SPECS:
        job = work.trained(sqlite_client, mnist, **{**ODD, **spec})
        for split in ("test", "validation"):
            answer = sqlite_client.get(f"/jobs/{job['id']}/evaluation?split={split}").json()

            expected = {name: job["latest"][f"{split}_{name}"] for name in ("accuracy", "loss")}
            assert {name: answer[name] for name in expected} == expected, (spec, split)


def test_an_evaluation_counts_every_image_once(
    found: dict[str, Any], job: dict[str, Any], mnist: Digits
) -> None:
    confusion = np.array(found["confusion"])
    bins = found["calibration"]["bins"]

    facts = ("job_id", "step", "weights_sha256", "from_running_job", "dataset", "split", "n")
    assert [found[name] for name in facts] == [
        *(job["id"], 1000, job["weights_sha256"], False, "mnist", "test", 10_000)
    ]
    assert confusion.sum(1).tolist() == np.bincount(mnist.test.labels).tolist()
    assert found["accuracy"] == confusion.trace() / 10_000
    assert [each["recall"] for each in found["digits"]] == (confusion.diagonal() / confusion.sum(1)).tolist()
    assert [each["precision"] for each in found["digits"]] == (
        confusion.diagonal() / confusion.sum(0)
    ).tolist()
    assert found["n_misclassified"] == len(found["misclassified"]) == 10_000 - confusion.trace()
    assert (len(bins), sum(each["n"] for each in bins)) == (15, 10_000)
    assert 0 < found["calibration"]["expected_calibration_error"] < 0.05


def test_the_mistakes_are_those_that_the_net_predicts(
    trained: TestClient, here: str, found: dict[str, Any], mnist: Digits
) -> None:
    mistakes = found["misclassified"][:50]
    images = [mnist.test.images[each["index"]].tolist() for each in mistakes]

    read = trained.post(f"{here}/predict", json={"images": images}).json()["predictions"]

    assert [each["digit"] for each in read] == [each["predicted"] for each in mistakes]
    assert [each["confidence"] for each in read] == pytest.approx([each["probability"] for each in mistakes])
    assert [int(mnist.test.labels[each["index"]]) for each in mistakes] == [each["true"] for each in mistakes]
    assert mistakes == sorted(mistakes, key=lambda each: -each["probability"])


def test_the_list_is_bounded_and_the_table_is_not(
    trained: TestClient, here: str, found: dict[str, Any]
) -> None:
    short = trained.get(f"{here}/evaluation?limit=3&sort=index").json()

    rows = table(trained.get(f"{here}/misclassified.csv?sort=index"))

    in_order = sorted(found["misclassified"], key=lambda each: int(each["index"]))
    assert short["misclassified"] == in_order[:3]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == in_order
    assert len(trained.get(f"{here}/evaluation").json()["misclassified"]) == 100


def test_the_links_of_an_evaluation_lead_to_the_same_checkpoint(trained: TestClient, here: str) -> None:
    answer = trained.get(f"{here}/evaluation?checkpoint=best&split=validation").json()

    rows = table(trained.get(answer["links"]["csv"]))

    matrix = table(trained.get(answer["links"]["confusion"]))

    assert len(rows) == answer["n_misclassified"]
    assert [[int(row[f"predicted_{digit}"]) for digit in range(10)] for row in matrix] == answer["confusion"]
    assert [float(row["recall"]) for row in matrix] == [each["recall"] for each in answer["digits"]]
    assert answer["links"]["png"].endswith(f"?checkpoint={answer['step']}&split=validation")


def test_a_sheet_has_rows_of_ten(trained: TestClient, here: str) -> None:
    queries = ("limit=10", "limit=11&theme=dark", "limit=10")
    answers = [trained.get(f"{here}/misclassified.png?{query}").content for query in queries]

    light, dark = (Image.open(BytesIO(answer)) for answer in answers[:2])
    assert (light.size, dark.size) == ((1400, 324), (1400, 502))
    assert (light.getpixel((0, 0)), dark.getpixel((0, 0))) == ((255, 255, 255), (22, 27, 34))
    assert answers[0] == answers[2]


@pytest.mark.slow
def test_a_client_that_has_it_is_told_so_without_a_computation(
    sqlite_client: TestClient, digits: Digits, tmp_path: Path
) -> None:
    job = work.trained(sqlite_client, digits, **work.SHORT)
    addresses = [f"/jobs/{job['id']}/{path.format(id=job['id'])}" for path in PATHS]
    first = [sqlite_client.get(address) for address in addresses]
    work.store_weights(sqlite_client, job["id"], b"damaged")

    with serving(f"sqlite:///{tmp_path / 'normserve.db'}", tmp_path) as another:
        unknown = [another.get(address) for address in addresses]
        known = [
            another.get(address, headers={"If-None-Match": answer.headers["ETag"]})
            for address, answer in zip(addresses, first, strict=True)
        ]

    # A process that has evaluated the net before keeps the result, by the sha256 of the weights.
    kept = [sqlite_client.get(address).content for address in addresses]
    assert [problem(answer) for answer in unknown] == [(409, "checkpoint-corrupt", [])] * len(PATHS)
    assert [answer.status_code for answer in known] == [304] * len(PATHS)
    assert kept == [answer.content for answer in first]


@pytest.mark.slow
def test_each_question_has_its_own_etag(trained: TestClient, here: str) -> None:
    paths = ["evaluation", "evaluation?limit=9", "evaluation?sort=index", "evaluation?split=validation"]
    paths += ["misclassified.csv", "misclassified.csv?sort=index", "misclassified.png?theme=dark"]
    paths += ["misclassified.png", "misclassified.png?limit=1"]

    assert len({trained.head(f"{here}/{path}").headers["ETag"] for path in paths}) == len(paths)


@pytest.mark.slow
def test_a_running_job_is_evaluated_and_says_so(sqlite_client: TestClient, digits: Digits) -> None:
    job = work.begun(sqlite_client, digits, eval_every=1_000_000, checkpoint_every=5)

    answer = sqlite_client.get(f"/jobs/{job['id']}/evaluation")

    assert (answer.json()["from_running_job"], answer.headers["Cache-Control"]) == (True, "no-cache")
    assert answer.json()["step"] == sqlite_client.get(f"/jobs/{job['id']}/checkpoints/latest").json()["step"]


def test_a_job_without_a_checkpoint_is_not_ready(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)
    addresses = [f"/jobs/{job['id']}/{path.format(id=job['id'])}" for path in PATHS]

    named, numbered = (
        [problem(sqlite_client.get(f"{address}{query}")) for address in addresses]
        for query in ("", "?checkpoint=3")
    )

    assert named == [(409, "model-not-ready", [])] * len(PATHS)
    assert numbered == [(404, "checkpoint-not-found", [])] * len(PATHS)
