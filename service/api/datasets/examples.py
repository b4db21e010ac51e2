"""Examples of data sets and their images."""

from typing import Any

DATASETS = {
    "items": [
        {
            "name": "kmnist",
            "title": "Kuzushiji-MNIST: cursive Japanese characters",
            "classes": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
            "counts": {"train": 55_000, "validation": 5_000, "test": 10_000},
            "image_shape": [28, 28],
            "sha256": None,
            "licence": "CC BY-SA 4.0",
            "source": "Clanuwat et al. 2018, arXiv 1812.01718",
            "home_page": "https://github.com/rois-codh/kmnist",
            "available": False,
        },
    ],
    "next_cursor": None,
}
IMAGE: dict[str, Any] = {
    "dataset": "mnist",
    "split": "test",
    "index": 0,
    "label": 7,
    "class_name": "7",
    "pixels": [[0] * 28] * 7 + [[0] * 6 + [84] + [254] * 14 + [0] * 7] * 2 + [[0] * 28] * 19,
    "links": {
        "self": "/datasets/mnist/test/0",
        "png": "/datasets/mnist/test/0?format=png",
        "datasets": "/datasets",
    },
}
