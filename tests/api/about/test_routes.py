"""What the service knows and allows."""

from dataclasses import asdict

from starlette.testclient import TestClient

from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from service.serving.pictures import PictureLimits


def test_norms_are_explained(trained: TestClient) -> None:
    answer = trained.get("/norms").json()

    assert [item["name"] for item in answer["items"]] == list(NORMS)
    assert answer["items"][1] == {
        "name": "weight",
        "title": NORMS["weight"].title,
        "formula": NORMS["weight"].formula,
        "parameters_per_unit": 2,
        "running_per_unit": 0,
        "scope": "all",
        "init": NORMS["weight"].init,
        "traps": list(NORMS["weight"].traps),
        "source": NORMS["weight"].source,
    }


def test_limits_are_the_settings(trained: TestClient) -> None:
    assert trained.get("/limits").json() == {
        "max_json_bytes": 65_536,
        "max_comparison_json_bytes": 256 * 1024,
        "max_predict_json_bytes": 4 * 2**20,
        "max_upload_bytes": 16 * 2**20,
        "max_images": 256,
        "max_written_bytes": 500_000_000_000,
        "max_queued": 10_000,
        **{f"max_{name}": value for name, value in asdict(PictureLimits()).items()},
    }


def test_versions_are_told(trained: TestClient) -> None:
    answer = trained.get("/version").json()

    assert {*answer} == {"normserve", "python", "platform", "database", "packages"}
    assert answer["database"].startswith("SQLite 3.")
    assert {*answer["packages"]} == {"torch", "dask", "fastapi", "sqlalchemy", "numpy"}


def test_a_job_names_the_torch_that_trained_it(trained: TestClient) -> None:
    [job] = trained.get("/jobs").json()["items"]

    assert job["torch_version"].startswith(trained.get("/version").json()["packages"]["torch"])
    shown = {name: job[name] for name in TrainSpec.model_fields}
    assert shown == TrainSpec(norm="weight", init=True, telemetry=True).model_dump()
