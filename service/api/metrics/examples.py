"""Examples of metric histories."""

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
METRICS = {"items": [ROW], "next_cursor": None, "thinning": None}
