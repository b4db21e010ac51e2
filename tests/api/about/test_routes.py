"""What the service knows and allows."""

from dataclasses import asdict
from typing import Any

from starlette.testclient import TestClient

from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from service.serving.formats.files import PictureLimits


def test_norms_are_explained(trained: TestClient) -> None:
    answer = trained.get("/norms").json()

    assert [item["name"] for item in answer["items"]] == list(NORMS)
    assert answer["items"][3] == {
        "name": "batch",
        "title": "Batch Normalization",
        "formula": "u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        "formula_in_evaluation": "u = (a − E[x]) / √(Var[x] + ε);  z = γ u + β",
        "statistics": NORMS["batch"].statistics,
        "epsilon": 1e-5,
        "epsilon_place": "added to the variance, under the root",
        "running_rate": 0.1,
        "tensors": [
            stored("weight", "W", "the weights, a column per unit", shape=["fan_in", "n_units"]),
            stored("gain", "γ", "what each unit's normalised value is multiplied by"),
            stored("shift", "β", "what is added to each unit last"),
            stored("running_mean", "E[x]", "running mean of a (x in the paper)", trained=False),
            stored(
                "running_var", "Var[x]", "running variance of a, of batches divided by n − 1", trained=False
            ),
        ],
        "parameters_per_unit": 2,
        "running_per_unit": 2,
        "scope": "hidden",
        "init": NORMS["batch"].init,
        "traps": list(NORMS["batch"].traps),
        "paper": {
            "title": "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate "
            "Shift",
            "authors": ["Sergey Ioffe", "Christian Szegedy"],
            "year": 2015,
            "arxiv": "1502.03167",
            "section": None,
        },
    }


def stored(name: str, letter: str, meaning: str, **others: Any) -> dict[str, Any]:
    found = {"name": f"{{layer}}.{name}", "letter": letter, "meaning": meaning}
    return {**found, "shape": ["n_units"], "trained": True, **others}


def test_a_norm_without_a_paper_says_so(trained: TestClient) -> None:
    plain = trained.get("/norms").json()["items"][0]

    absent = ("paper", "epsilon", "epsilon_place", "running_rate", "formula_in_evaluation")
    assert {name: plain[name] for name in absent} == dict.fromkeys(absent)


def test_limits_are_the_settings(trained: TestClient) -> None:
    assert trained.get("/limits").json() == {
        "max_json_bytes": 65_536,
        "max_comparison_json_bytes": 256 * 1024,
        "max_predict_json_bytes": 4 * 2**20,
        "max_upload_bytes": 16 * 2**20,
        "max_images": 256,
        "max_written_bytes": 500_000_000_000,
        "max_queued": 10_000,
        "max_streams": 1_000,
        "key_requests_per_second": 500,
        "max_key_predictions": 32,
        "max_key_streams": 200,
        "max_key_queued": 5_000,
        "max_query_jobs": 200,
        "max_query_values": 200_000,
        "max_digits": 256,
        **{f"max_{name}": value for name, value in asdict(PictureLimits()).items()},
    }


def test_versions_are_told(trained: TestClient) -> None:
    answer = trained.get("/version").json()

    assert {*answer} == {"normserve", "python", "platform", "database", "packages"}
    assert answer["database"].startswith("SQLite 3.")
    assert {*answer["packages"]} == {"torch", "dask", "fastapi", "sqlalchemy", "numpy"}


def test_a_job_names_the_torch_that_trained_it(trained: TestClient, job: dict[str, Any]) -> None:
    assert job["torch_version"].startswith(trained.get("/version").json()["packages"]["torch"])
    shown = {name: job[name] for name in TrainSpec.model_fields}
    assert shown == TrainSpec(norm="weight", init=True, telemetry=True).model_dump()
