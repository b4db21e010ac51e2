"""Examples of evaluations."""

from typing import Any

from service.api.jobs.examples import JOB_ID

OTHER_ID = "job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5c"
PNG_URL = f"/jobs/{JOB_ID}/misclassified.png"
CHECKPOINT = {"job_id": JOB_ID, "step": 1000, "weights_sha256": "e0386f…", "from_running_job": False}
MISCLASSIFIED = {"index": 2293, "true": 9, "predicted": 0, "probability": 0.9996}
CSV = "index,true,predicted,probability\r\n2293,9,0,0.9996\r\n"
SUPPORT = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
RIGHT = (964, 1115, 975, 961, 934, 836, 917, 974, 922, 952)
WRONG = tuple(support - right for support, right in zip(SUPPORT, RIGHT, strict=True))

CONFUSION_CSV = (
    f"label,{','.join(f'predicted_{digit}' for digit in range(10))},recall\r\n"
    "0,964,0,1,1,1,4,5,2,2,0,0.9837\r\n"
)

EVALUATION: dict[str, Any] = {
    **CHECKPOINT,
    "dataset": "mnist",
    "split": "test",
    "n": 10_000,
    "accuracy": 0.955,
    "loss": 0.1546,
    "confusion": [
        [
            RIGHT[digit] if other == digit else WRONG[digit] if other == (digit + 1) % 10 else 0
            for other in range(10)
        ]
        for digit in range(10)
    ],
    "digits": [
        {
            "digit": digit,
            "precision": round(RIGHT[digit] / (RIGHT[digit] + WRONG[digit - 1]), 4),
            "recall": round(RIGHT[digit] / SUPPORT[digit], 4),
            "support": SUPPORT[digit],
        }
        for digit in range(10)
    ],
    "calibration": {
        "expected_calibration_error": 0.0101,
        "bins": [
            *(
                {"low": n / 15, "high": (n + 1) / 15, "n": 0, "confidence": None, "accuracy": None}
                for n in range(14)
            ),
            {"low": 14 / 15, "high": 1.0, "n": 10_000, "confidence": 0.9651, "accuracy": 0.955},
        ],
    },
    "n_misclassified": 450,
    "misclassified": [MISCLASSIFIED],
    "links": {
        "csv": f"/jobs/{JOB_ID}/misclassified.csv?checkpoint=1000",
        "png": f"{PNG_URL}?checkpoint=1000",
        "confusion": f"/jobs/{JOB_ID}/confusion.csv?checkpoint=1000",
    },
}
DIFFERENCE = {
    "first": CHECKPOINT,
    "second": {**CHECKPOINT, "job_id": OTHER_ID, "weights_sha256": "51b7c0…"},
    "dataset": "mnist",
    "split": "test",
    "n": 10_000,
    "both_right": 9272,
    "only_first_right": 278,
    "only_second_right": 57,
    "both_wrong": 393,
    "accuracy_difference": 0.0221,
    "interval": [0.0185, 0.0257],
    "p": 1.2e-35,
    "verdict": "better",
    "sentence": "The first net was better than the second net: 9,550 and 9,329 right of 10,000 test images "
    "(difference +0.0221, 95 % interval +0.0185 to +0.0257, McNemar's exact p 1.2e-35). This compares two "
    "trained nets on these images; whether one method is better than another needs several seeds.",
    "n_disagreements": 402,
    "disagreements": [{"index": 8, "true": 5, "first": 5, "second": 6}],
}
