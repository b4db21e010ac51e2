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
METRICS = {"items": [ROW], "next_cursor": None, "thinning": None}
