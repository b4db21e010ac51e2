"""Examples of reports about layers."""

from service.api.jobs.examples import JOB_ID

INIT_REPORT = {
    "job_id": JOB_ID,
    "init": True,
    "layers": [
        {
            "layer": "hidden1",
            "z_before": {"mean": -0.03, "sd": 0.81, "min": -4.1, "max": 3.9},
            "z_after": {"mean": 0.0, "sd": 1.0, "min": -5.2, "max": 5.6},
            "gain": {"mean": 2.9, "sd": 0.35, "min": 2.1, "max": 3.8},
            "shift": {"mean": 0.1, "sd": 0.98, "min": -2.3, "max": 2.5},
            "degenerate_units": 0,
            "histogram": {
                "low": -5.2,
                "high": 5.6,
                "before": [64, 8128, 8192, 0],
                "after": [320, 7872, 7872, 320],
            },
        },
    ]
    * 2,
    "left_alone": [],
}
HIDDEN = {
    "layer": "hidden1",
    "gradient_norm": 0.53,
    "weight_norm": {"mean": 2.46, "sd": 0.05, "min": 2.33, "max": 2.59},
    "gain": {"mean": 1.02, "sd": 0.07, "min": 0.91, "max": 1.21},
    "effective_step": {"mean": 0.0165, "sd": 0.0007, "min": 0.0149, "max": 0.0184},
    "dead_units": 0.0,
    "running_mean_drift": None,
    "running_var_drift": None,
}
LAYERS = [HIDDEN, {**HIDDEN, "layer": "output", "dead_units": None}]
TELEMETRY = {"items": [{"step": 1000, "layers": LAYERS}], "next_cursor": None}
