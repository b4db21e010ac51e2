"""What clients may save as a file has a name, made of ids."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.shared.openapi import NOT_FILES
from tests.api import planted
from tests.api.described import PATHS

CSV, NDJSON, PNG = "text/csv", "application/x-ndjson", "image/png"
METRICS, LINES = "attachment; {id}-metrics.csv", "attachment; {id}-metrics.ndjson"

OF_JOBS = {
    **dict.fromkeys([(f"/jobs/{{job_id}}/metrics{end}", CSV) for end in ("", ".csv")], METRICS),
    **dict.fromkeys([(f"/jobs/{{job_id}}/metrics{end}", NDJSON) for end in ("", ".ndjson")], LINES),
    (
        "/jobs/{job_id}/checkpoints/{which}/weights",
        "application/vnd.safetensors",
    ): "attachment; {id}-step1000.safetensors",
    ("/jobs/{job_id}/export", "application/vnd.safetensors"): "attachment; {id}-step1000-folded.safetensors",
    ("/jobs/{job_id}/export", "application/octet-stream"): "attachment; {id}-step1000-folded.onnx",
    ("/jobs/{job_id}/confusion.csv", CSV): "attachment; {id}-step1000-confusion.csv",
    ("/jobs/{job_id}/misclassified.csv", CSV): "attachment; {id}-step1000-misclassified.csv",
    ("/jobs/{job_id}/misclassified.png", PNG): "inline; {id}-step1000-misclassified.png",
    ("/jobs/{job_id}/plot.png", PNG): "inline; {id}-plot.png",
    ("/jobs/{job_id}/plot.svg", "image/svg+xml"): "inline; {id}-plot.svg",
    ("/datasets/{name}/{split}/{index}", PNG): "inline; mnist-test-0.png",
}
OF_COMPARISONS = {
    **{
        (f"/comparisons/{{comparison_id}}/{table}{end}", CSV): f"attachment; {{id}}-{table}.csv"
        for table in ("runs", "summary", "curves", "robustness")
        for end in ("", ".csv")
    },
    ("/comparisons/{comparison_id}/plot.png", PNG): "inline; {id}-plot.png",
    ("/comparisons/{comparison_id}/plot.svg", "image/svg+xml"): "inline; {id}-plot.svg",
    ("/comparisons/{comparison_id}/report.md", "text/markdown"): "inline; {id}-report.md",
    ("/comparisons/{comparison_id}/report.html", "text/html"): "inline; {id}-report.html",
}
PARAMETERS = {"which": "latest", "name": "mnist", "split": "test", "index": 0}


def named(answer: Any) -> str:
    """How a file is presented, and its name without the quotes."""
    disposition = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'(attachment|inline); filename="[\w.-]+"', disposition)
    return str(disposition.replace("filename=", "").replace('"', ""))


def test_every_file_of_the_api_is_tried_below() -> None:
    files = {
        (path, kind)
        for path, operations in PATHS.items()
        for operation in operations.values()
        for kind in operation["responses"].get("200", {}).get("content", {}).keys() - NOT_FILES
    }

    assert files == {*OF_JOBS, *OF_COMPARISONS}


def test_openapi_describes_the_header_of_every_file() -> None:
    responses = [
        operation["responses"]["200"]
        for path, operations in PATHS.items()
        for operation in operations.values()
        if operation["responses"].get("200", {}).get("content", {}).keys() - NOT_FILES
    ]

    assert [response for response in responses if "Content-Disposition" not in response["headers"]] == []


@pytest.mark.slow
@pytest.mark.parametrize(("path", "kind"), OF_JOBS)
def test_a_file_of_a_job_is_named_by_its_id(
    trained: TestClient, job: dict[str, Any], path: str, kind: str
) -> None:
    answer = trained.get(path.format(job_id=job["id"], **PARAMETERS), headers={"Accept": kind})

    assert named(answer) == OF_JOBS[path, kind].format(id=job["id"])


@pytest.mark.slow
def test_a_file_of_a_comparison_is_named_by_its_id_and_not_by_its_label(sqlite_client: TestClient) -> None:
    created = planted.comparison(sqlite_client, lambda *_: 0.9, learning_rates=[0.1], label='a"; ../b.exe')

    answers = {
        (path, kind): sqlite_client.get(path.format(comparison_id=created["id"]), headers={"Accept": kind})
        for path, kind in OF_COMPARISONS
    }

    assert {file: named(answer) for file, answer in answers.items()} == {
        file: name.format(id=created["id"]) for file, name in OF_COMPARISONS.items()
    }


def test_json_has_no_file_name(trained: TestClient, job: dict[str, Any]) -> None:
    answers = [trained.get(url) for url in (job["links"]["metrics"], "/datasets/mnist/test/0", "/norms")]

    assert [answer.headers.get("Content-Disposition") for answer in answers] == [None, None, None]


def test_the_spec_of_a_job_is_a_file_to_keep(trained: TestClient, job: dict[str, Any]) -> None:
    answer = trained.get(job["links"]["spec"])

    assert named(answer) == f"inline; {job['id']}-spec.json"


def test_a_part_of_a_file_has_the_name_of_the_whole(trained: TestClient, job: dict[str, Any]) -> None:
    url = f"/jobs/{job['id']}/checkpoints/latest/weights"

    answer = trained.get(url, headers={"Range": "bytes=0-99"})

    assert (answer.status_code, named(answer)) == (206, f"attachment; {job['id']}-step1000.safetensors")
