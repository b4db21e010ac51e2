"""Examples of metric histories."""

import json

ROW = {
    "step": 1000,
    "train_loss": 0.1312,
    "train_accuracy": 0.9609375,
    "validation_loss": 0.1497,
    "validation_accuracy": 0.9572,
    "test_loss": 0.1546,
    "test_accuracy": 0.955,
    "elapsed_seconds": 0.94,
    "non_finite": [],
}
CSV = (
    "step,train_loss,train_accuracy,validation_loss,validation_accuracy,test_loss,test_accuracy,"
    "elapsed_seconds,non_finite\r\n1000,0.1312,0.9609375,0.1497,0.9572,0.1546,0.955,0.94,\r\n"
)
NDJSON = json.dumps(ROW) + "\n"
QUERY = {
    "filter": {"norm": "weight"},
    "keys": ["test_accuracy"],
    "group_by": ["norm", "init"],
}
QUERY_RESULT = {
    "jobs": ["job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b", "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5c"],
    "group_by": ["norm", "init"],
    "metrics": [
        {
            "key": "test_accuracy",
            "steps": [100, 200],
            "thinning": None,
            "runs": None,
            "groups": [
                {
                    "fields": {"norm": "weight", "init": True},
                    "jobs": ["job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b", "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5c"],
                    "n": [2, 1],
                    "mean": [0.8991, 0.9196],
                    "sd": [0.0021, None],
                    "min": [0.8976, 0.9196],
                    "max": [0.9006, 0.9196],
                }
            ],
        }
    ],
}
METRICS = {"items": [ROW], "next_cursor": None, "thinning": None}
