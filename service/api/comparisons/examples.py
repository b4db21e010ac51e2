"""Examples of comparisons and their results."""

from typing import Any

from service.api.predictions.examples import PREDICTION, SEEN, VOTE
from service.api.shared.openapi import Responses, file_response

COMPARISON_ID = "cmp_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b"
COMPARISON_ASKED = {"preset": "article", "seeds": 8, "base": {"steps": 20, "eval_every": 10}}
COMPARISON: dict[str, Any] = {
    "id": COMPARISON_ID,
    "label": None,
    "priority": 0,
    "status": "ended",
    "created_at": "2026-11-23T09:00:00Z",
    "preset": "article",
    "arms": ["none", "weight", "weight+init", "batch", "layer"],
    "baseline": "none",
    "seeds": [0, 1, 2, 3, 4, 5, 6, 7],
    "learning_rates": [],
    "jobs": 40,
    "progress": {
        "queued": 0,
        "running": 0,
        "succeeded": 40,
        "failed": 0,
        "cancelled": 0,
        "percent": 100.0,
    },
    "warnings": [],
    "links": {
        "self": f"/comparisons/{COMPARISON_ID}",
        "jobs": f"/jobs?comparison_id={COMPARISON_ID}",
        "events": f"/comparisons/{COMPARISON_ID}/events",
        "cancel": f"/comparisons/{COMPARISON_ID}/cancel",
        "runs": f"/comparisons/{COMPARISON_ID}/runs",
        "summary": f"/comparisons/{COMPARISON_ID}/summary",
        "curves": f"/comparisons/{COMPARISON_ID}/curves",
        "robustness": f"/comparisons/{COMPARISON_ID}/robustness",
        "plot.svg": f"/comparisons/{COMPARISON_ID}/plot.svg",
        "plot.png": f"/comparisons/{COMPARISON_ID}/plot.png",
        "report.html": f"/comparisons/{COMPARISON_ID}/report.html",
        "report.md": f"/comparisons/{COMPARISON_ID}/report.md",
    },
    "fairness": {
        "complete": True,
        "fair": True,
        "seeds": [{"seed": 0, "init_digests": ["9f2c4d…"], "data_digests": ["77ab03…"]}],
    },
}
COMPARISON_CREATED = {
    **COMPARISON,
    "status": "running",
    "progress": {"queued": 40, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "percent": 0.0},
    "fairness": {"complete": False, "fair": True, "seeds": []},
}
COMPARISON_LIST = {
    "items": [{name: value for name, value in COMPARISON.items() if name != "fairness"}],
    "next_cursor": None,
}
COMPARISON_DELETED = {"id": COMPARISON_ID, "jobs": 40, "freed_bytes": 32_600_000}

SEEDS = {"n": 8, "n_finite": 8, "iqm_interval": None}
TEST_ACCURACY = {
    **SEEDS,
    "mean": 0.9546,
    "sd": 0.0021,
    "interval": [0.9528, 0.9564],
    "median": 0.9541,
    "iqm": 0.9543,
    "min": 0.9522,
    "max": 0.9578,
}
TEST_LOSS = {
    **SEEDS,
    "mean": 0.1521,
    "sd": 0.0041,
    "interval": [0.1487, 0.1555],
    "median": 0.1519,
    "iqm": 0.152,
    "min": 0.1466,
    "max": 0.1588,
}
TRAIN_SECONDS = {
    **SEEDS,
    "mean": 0.94,
    "sd": 0.03,
    "interval": [0.915, 0.965],
    "median": 0.94,
    "iqm": 0.94,
    "min": 0.9,
    "max": 0.99,
}
ARRIVED = {"n": 8, "n_censored": 0, "mean": 431.2, "median": 428.0, "censored_after": None}
CENSORED = {"n": 8, "n_censored": 8, "mean": None, "median": None, "censored_after": 1000}
SUMMARY: dict[str, Any] = {
    "comparison_id": COMPARISON_ID,
    "baseline": "none",
    "learning_rate": None,
    "rates_chosen_by": None,
    "step": 1000,
    "complete": True,
    "arms": [
        {
            "arm": "batch",
            "learning_rate": 0.1,
            "n": 8,
            "n_diverged": 0,
            "n_at_chance": 0,
            "test_accuracy": TEST_ACCURACY,
            "test_loss": TEST_LOSS,
            "train_seconds": TRAIN_SECONDS,
            "time_to": {
                "0.90": {"train": ARRIVED, "test": ARRIVED},
                "0.95": {"train": ARRIVED, "test": ARRIVED},
                "0.97": {"train": CENSORED, "test": CENSORED},
            },
            "parameters": 101_898,
        },
    ],
    "differences": [
        {
            "arm": "batch",
            "metric": "test_accuracy",
            "n": 8,
            "mean": 0.0221,
            "interval": [0.0189, 0.0253],
            "p": 0.0078,
            "p_holm": 0.0312,
            "probability_of_improvement": 1.0,
            "verdict": "better",
            "sentence": "batch was better than none in test accuracy over 8 seeds: +0.0221 on average "
            "(95 % interval +0.0189 to +0.0253, Holm p 0.031).",
        },
    ],
    "warnings": [],
}
SUMMARY_CSV = (
    "arm,learning_rate,metric,statistic,value\r\n"
    "batch,0.1,test_accuracy,mean,0.9546\r\nbatch,0.1,test_accuracy,sd,0.0021\r\n"
)
RUNS: dict[str, Any] = {
    "comparison_id": COMPARISON_ID,
    "complete": True,
    "runs": [
        {
            "arm": "batch",
            "seed": 0,
            "learning_rate": 0.1,
            "job_id": "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b",
            "status": "succeeded",
            "step": 1000,
            "train_loss": 0.1172,
            "train_accuracy": 0.96875,
            "validation_loss": 0.1499,
            "validation_accuracy": 0.9572,
            "test_loss": 0.1521,
            "test_accuracy": 0.9546,
            "train_seconds": 0.94,
            "diverged": False,
            "at_chance": False,
            "failure_code": None,
        },
    ],
}
RUNS_CSV = (
    "arm,seed,learning_rate,job_id,status,step,train_loss,train_accuracy,validation_loss,"
    "validation_accuracy,test_loss,test_accuracy,train_seconds,diverged,at_chance,failure_code\r\n"
    f"batch,0,0.1,{RUNS['runs'][0]['job_id']},succeeded,1000,0.1172,0.96875,0.1499,"
    "0.9572,0.1521,0.9546,0.94,False,False,\r\n"
)
CURVES: dict[str, Any] = {
    "comparison_id": COMPARISON_ID,
    "metric": "test_accuracy",
    "band": "ci95",
    "learning_rate": None,
    "rates_chosen_by": None,
    "complete": True,
    "x": "step",
    "arms": [
        {
            "arm": "batch",
            "method": "batch",
            "learning_rate": 0.1,
            "n": [8, 8],
            "x": [500, 1000],
            "mean": [0.9312, 0.9546],
            "low": [0.9281, 0.952],
            "high": [0.9343, 0.9572],
            "runs": None,
            "diverged": [],
        },
    ],
}
CURVES_CSV = "arm,learning_rate,step,n,mean,low,high\r\nbatch,0.1,1000,5,0.9546,0.952,0.9572\r\n"
ROBUSTNESS: dict[str, Any] = {
    "comparison_id": COMPARISON_ID,
    "split": "validation",
    "level": 0.95,
    "complete": True,
    "arms": [
        {
            "arm": "batch",
            "rates": [
                {
                    "learning_rate": 0.1,
                    "n": 8,
                    "n_diverged": 0,
                    "mean": 0.9568,
                    "low": 0.9545,
                    "high": 0.9591,
                }
            ],
            "widest": {"low": 0.1, "high": 0.1, "factor": 1.0},
        },
    ],
}
ROBUSTNESS_CSV = (
    "arm,learning_rate,n,n_diverged,mean,low,high,widest_low,widest_high,widest_factor\r\n"
    "batch,0.1,8,0,0.9568,0.9545,0.9591,0.1,0.1,1.0\r\n"
)


def file_of_comparison(name: str, media_type: str) -> Responses:
    """Document a response about a comparison that is a file."""
    return file_response(media_type, f"/comparisons/{COMPARISON_ID}/{name}")


PREDICTED = {
    "comparison_id": COMPARISON_ID,
    "seed": 0,
    "arms": [
        {
            "arm": "weight+init",
            "job_id": PREDICTION["model"]["job_id"],
            "learning_rate": 0.1,
            "model": PREDICTION["model"],
            "predictions": SEEN,
            "missing": None,
        }
    ],
    "votes": [VOTE],
}
