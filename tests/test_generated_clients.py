"""Clients that generators make of the API's description: they come without a warning, and they work."""

import csv
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.pages import ROOT
from tests.process import Service, until

CLIENT, MODELS = "generated_normserve_client", "generated_normserve_models"
STEPS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.fixture(scope="module")
def document(only_service: Service, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_bytes(only_service.client.get("/openapi.json").content)
    return path


def run(folder: Path, *command: str) -> str:
    """Run a generator; return all that it prints."""
    # It formats what it makes with the ruff beside it.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def said_by_client_generator(document: Path, folder: Path) -> str:
    config = str(ROOT / "docs" / "openapi-python-client.yaml")
    options = ["--path", str(document), "--meta", "none", "--output-path", CLIENT, "--config", config]
    return run(folder, "openapi_python_client", "generate", *options)


@pytest.fixture(scope="module")
def said_by_model_generator(document: Path, folder: Path) -> str:
    options = ["--input", str(document), "--input-file-type", "openapi", "--output", f"{MODELS}.py"]
    options += ["--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"]
    return run(folder, "datamodel_code_generator", *options)


def test_the_client_is_made_without_a_warning(said_by_client_generator: str) -> None:
    assert said_by_client_generator.split() == ["Generating", CLIENT]


def test_the_models_are_made_without_a_warning(said_by_model_generator: str) -> None:
    assert said_by_model_generator == ""


@pytest.fixture
def models(
    said_by_model_generator: str,  # noqa: ARG001 # they are made by then
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(MODELS)


class Client:
    """The generated client, connected to a service: `jobs.get_job("job_…")` is a call."""

    def __init__(self, base_url: str) -> None:
        self.models: Any = importlib.import_module(f"{CLIENT}.models")
        self.types: Any = importlib.import_module(f"{CLIENT}.types")
        # An answer that the description does not have is an error.
        self.connected = importlib.import_module(CLIENT).Client(
            base_url=base_url, raise_on_unexpected_status=True, timeout=httpx.Timeout(100)
        )

    def call(self, operation: str, *path: object, **arguments: Any) -> Any:
        """Call an operation, such as jobs.get_job, and return what the client has made of the response."""
        module: Any = importlib.import_module(f"{CLIENT}.api.{operation}")
        return module.sync(*path, client=self.connected, **arguments)

    def ended(self, job_id: str) -> Any:
        def found() -> Any:
            job = self.call("jobs.get_job", job_id, wait=30.0)
            return job if job.finished_at else None

        return until(found, "the job to end")

    def ended_comparison(self, comparison_id: str) -> Any:
        def found() -> Any:
            comparison = self.call("comparisons.get_comparison", comparison_id, wait=30.0)
            return comparison if comparison.status == "ended" else None

        return until(found, "the comparison to end")


@pytest.fixture
def client(
    said_by_client_generator: str,  # noqa: ARG001 # it is made by then
    service: Service,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    monkeypatch.syspath_prepend(folder)
    client = Client(str(service.client.base_url))
    with client.connected:
        yield client


@pytest.fixture
def job(client: Client) -> Any:
    submission = client.models.JobSubmission(
        norm="batch", init=True, steps=STEPS, eval_every=20, label="made"
    )
    return client.ended(client.call("jobs.submit_job", body=submission).id)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_the_client_submits_waits_and_reads_the_history(client: Client, job: Any) -> None:
    rows = client.call("metrics.get_metrics", job.id)
    columns = client.call("metrics.get_metrics", job.id, layout="columns", keys="train_loss")
    written = table(client.call("metrics.get_metrics_csv", job.id, keys="train_loss"))
    lines = client.call("metrics.get_metrics_ndjson", job.id)

    losses = [row.train_loss for row in rows.items]
    assert (job.status, job.steps, job.label) == ("succeeded", STEPS, "made")
    assert [row.step for row in rows.items] == columns.items.step == list(range(1, STEPS + 1))
    assert columns.items.train_loss == losses == [float(row["train_loss"]) for row in written]
    assert columns.items.test_loss == client.types.UNSET
    assert len(lines.splitlines()) == STEPS
    assert job.latest.to_dict() == rows.items[-1].to_dict()


def test_the_client_lists_relabels_and_is_refused_in_words(client: Client, job: Any) -> None:
    changed = client.call("jobs.relabel_job", job.id, body=client.models.JobChanges(label=None))
    listed = client.call("jobs.list_jobs", limit=1, norm="batch")
    refused = client.call("jobs.submit_job", body=client.models.JobSubmission(steps=0))

    assert (changed.label, changed.tags.to_dict(), changed.priority) == (None, {}, 0)
    assert listed.items == [changed]
    assert [(place.pointer, place.code) for place in refused.errors] == [("/steps", "greater_than_equal")]


def test_the_client_predicts_from_numbers_and_pictures(client: Client, job: Any) -> None:
    image = client.call("datasets.get_image", "mnist", "test", 0)
    picture = client.types.File(
        payload=BytesIO((ROOT / "docs" / "seven.png").read_bytes()), mime_type="image/png"
    )
    numbers = client.models.PredictionRequest(images=[image.pixels], scale="byte", return_=["probabilities"])

    from_numbers, from_picture = (
        client.call("predict.predict_digits", job.id, body=body) for body in (numbers, picture)
    )

    assert [from_numbers.predictions[0].digit, from_picture.predictions[0].digit] == [7, 7]
    assert len(from_numbers.predictions[0].probabilities) == 10
    assert from_picture.predictions[0].intake.polarity == "dark_on_light"


def test_the_client_downloads_weights(client: Client, job: Any) -> None:
    checkpoint = client.call("checkpoints.get_checkpoint", job.id, "latest")

    weights = client.call("checkpoints.get_weights", job.id, "latest")

    assert len(weights.payload.read()) == checkpoint.size_bytes
    assert checkpoint.weights_sha256 == job.weights_sha256


@pytest.fixture
def comparison(client: Client) -> Any:
    """A comparison of which the arms and the base set one field each."""
    make = client.models
    submission = make.ComparisonSubmission(
        arms=[make.Arm(name="plain"), make.Arm(name="LN", norm="layer")],
        base=make.Overrides(steps=STEPS),
        seeds=2,
    )
    return client.ended_comparison(client.call("comparisons.create_comparison", body=submission).id)


def test_the_client_compares_and_sends_no_default_in_place_of_the_base(
    client: Client, comparison: Any
) -> None:
    jobs = client.call("jobs.list_jobs", comparison_id=comparison.id).items
    summary = client.call("comparisons.get_summary", comparison.id)
    curves = client.call("comparisons.get_curves", comparison.id, metric="train_loss", runs=True)
    runs = client.call("comparisons.get_runs", comparison.id).runs

    assert {job.steps for job in jobs} == {STEPS}
    assert {(job.arm, job.norm) for job in jobs} == {("plain", "none"), ("LN", "layer")}
    assert {(run.arm, run.job_id, run.seed) for run in runs} == {(job.arm, job.id, job.seed) for job in jobs}
    assert [(arm.arm, arm.n) for arm in summary.arms] == [("plain", 2), ("LN", 2)]
    assert {(each.arm, each.metric) for each in summary.differences} == {
        ("LN", "test_accuracy"),
        ("LN", "test_loss"),
    }
    assert [curve.arm for curve in curves.arms] == ["plain", "LN"]
    assert [len(run.y) for run in curves.arms[0].runs] == [STEPS] * 2


def test_the_client_reads_results_as_csv_and_as_files(client: Client, comparison: Any) -> None:
    curves = client.call("comparisons.get_curves", comparison.id, metric="train_loss")

    summary_rows = table(client.call("comparisons.get_summary_csv", comparison.id))
    rows = table(client.call("comparisons.get_curves_csv", comparison.id, metric="train_loss"))
    files = [client.call(f"comparisons.get_{name}", comparison.id) for name in ("plot_svg", "report_md")]

    assert {row["arm"] for row in summary_rows} == {"plain", "LN"}
    assert [float(row["low"]) for row in rows if row["arm"] == "LN"] == curves.arms[1].low
    assert [file.splitlines()[0][:5] for file in files] == ["<?xml", "# 2 a"]
    assert client.call("comparisons.get_plot_png", comparison.id).payload.read(4) == b"\x89PNG"


ANSWERS: dict[str, Callable[[SimpleNamespace], str]] = {
    "JobDetails": lambda ids: f"/jobs/{ids.job}",
    "JobSpec": lambda ids: f"/jobs/{ids.job}/spec",
    "JobList": lambda _ids: "/jobs",
    "HistoryRowPage": lambda ids: f"/jobs/{ids.job}/metrics?keys=test_loss",
    "HistoryColumnPage": lambda ids: f"/jobs/{ids.job}/metrics?layout=columns",
    "CheckpointList": lambda ids: f"/jobs/{ids.job}/checkpoints",
    "InitReport": lambda ids: f"/jobs/{ids.job}/init-report",
    "ComparisonWithProof": lambda ids: f"/comparisons/{ids.comparison}",
    "ComparisonRuns": lambda ids: f"/comparisons/{ids.comparison}/runs",
    "ComparisonSummary": lambda ids: f"/comparisons/{ids.comparison}/summary",
    "ComparisonCurves": lambda ids: f"/comparisons/{ids.comparison}/curves?runs=true",
    "DatasetImage": lambda _ids: "/datasets/mnist/test/0",
    "NormList": lambda _ids: "/norms",
    "Problem": lambda _ids: "/jobs/job_0",
}
"""Models by name, and the paths of answers that they fit."""


def test_the_models_read_real_answers(
    models: ModuleType, service: Service, job: Any, comparison: Any
) -> None:
    ids = SimpleNamespace(job=job.id, comparison=comparison.id)
    answers = {name: service.client.get(path(ids)).json() for name, path in ANSWERS.items()}

    read = {name: getattr(models, name).model_validate(answer) for name, answer in answers.items()}

    written = {name: found.model_dump(mode="json", exclude_unset=True) for name, found in read.items()}
    assert {name: {*found} for name, found in written.items()} == {
        name: {*answer} for name, answer in answers.items()
    }
