"""Examples of exports."""

from service.api.evaluations.examples import CHECKPOINT
from service.api.jobs.examples import JOB_ID

EXPORT_URL = f"/jobs/{JOB_ID}/export"
RECEIPT = {
    **CHECKPOINT,
    "dataset": "mnist",
    "split": "test",
    "n": 1000,
    "n_same_digit": 1000,
    "max_logit_difference": 1.1e-05,
    "max_probability_difference": 1.3e-06,
    "norms_left": {},
    "compared": "the graph of the exported file, computed in NumPy by the reference implementation of onnx, "
    "with the predictor of the service",
    "links": {
        "safetensors": f"{EXPORT_URL}?format=safetensors&checkpoint=1000",
        "onnx": f"{EXPORT_URL}?format=onnx&checkpoint=1000",
    },
}
