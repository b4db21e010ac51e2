"""Tensors of the Open Inference Protocol: pixels in, digits out, as JSON or as bytes."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from models.specs.spec import N_CLASSES, N_IN
from service.errors import FieldError, ValidationFailed
from service.serving.predictor import Prediction

PIXELS = "pixels"
INPUT_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "UINT8": np.dtype("u1")}
OUTPUT_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}
OUTPUTS = {"probabilities": "FP32", "logits": "FP32", "digit": "INT64"}
"""The outputs in their order, and the type of each."""
ROW_SHAPES = ([N_IN], [28, 28], [1, 28, 28], [28, 28, 1])
SHAPES = f"[n, {N_IN}], [n, 28, 28], [n, 1, 28, 28] or [n, 28, 28, 1]"


class InputTensor(NamedTuple):
    """A tensor as a client sent it: a list of numbers, flat or nested, or bytes."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | bytes


@dataclass(frozen=True)
class Output:
    """An output to return."""

    name: str
    is_binary: bool = False
    n_classes: int = 0
    """Return so many of its classes as text, the largest value first; 0 returns the tensor itself."""


@dataclass(frozen=True)
class Inference:
    """What to infer from, and what to return."""

    id: str | None
    """The client's own name of the request."""
    pixels: np.ndarray
    """[rows, 784] in [0, 1]."""
    outputs: list[Output]


def read_pixels(inputs: Sequence[InputTensor], most_rows: int) -> np.ndarray:
    """Return pixels [rows, 784] in [0, 1] of the one input; raise ValidationFailed."""
    if [tensor.name for tensor in inputs] != [PIXELS]:
        raise wrong("/inputs", f"must have one input, named {PIXELS}")
    [tensor] = inputs
    if tensor.datatype not in INPUT_TYPES:
        raise wrong("/inputs/0/datatype", "must be FP32 or UINT8")
    if tensor.shape[1:] not in ROW_SHAPES:
        raise wrong("/inputs/0/shape", f"must be {SHAPES}")
    if not 1 <= tensor.shape[0] <= most_rows:
        raise wrong("/inputs/0/shape", f"must have 1 to {most_rows} rows")
    values = _from_bytes(tensor) if isinstance(tensor.data, bytes) else _from_list(tensor, tensor.data)
    return _scaled(values, tensor.datatype).reshape(-1, N_IN)


def encode(outputs: Sequence[Output], prediction: Prediction) -> tuple[list[dict[str, Any]], bytes]:
    """Return the outputs as JSON, and the bytes of those that are binary."""
    described, parts = [], []
    for output in outputs:
        datatype, values = _values(output, prediction)
        shown = {"name": output.name, "datatype": datatype, "shape": list(values.shape)}
        flat = values.reshape(-1).tolist()
        if output.is_binary:
            raw = _as_bytes(flat) if datatype == "BYTES" else values.astype(OUTPUT_TYPES[datatype]).tobytes()
            parts.append(raw)
            described.append({**shown, "parameters": {"binary_data_size": len(raw)}})
        else:
            described.append({**shown, "data": flat})
    return described, b"".join(parts)


def wrong(pointer: str, message: str) -> ValidationFailed:
    """Return the error of a wrong part of an inference request."""
    return ValidationFailed("the inference request breaks a rule", [FieldError(pointer, "tensor", message)])


def _from_bytes(tensor: InputTensor) -> np.ndarray:
    dtype = INPUT_TYPES[tensor.datatype]
    n_bytes = math.prod(tensor.shape) * dtype.itemsize
    if len(tensor.data) != n_bytes:
        rule = f"must be {n_bytes}, the bytes of a tensor of this shape and datatype"
        raise wrong("/inputs/0/parameters/binary_data_size", rule)
    return np.frombuffer(bytes(tensor.data), dtype)


def _from_list(tensor: InputTensor, data: list[Any]) -> np.ndarray:
    flat = _flat(data, tensor.shape)
    if len(flat) != math.prod(tensor.shape):
        rule = f"must have {math.prod(tensor.shape)} numbers, the product of the shape; it has {len(flat)}"
        raise wrong("/inputs/0/data", rule)
    if not {*map(type, flat)} <= {int, float}:  # isinstance would accept true, which is an int to Python
        raise wrong("/inputs/0/data", "must have numbers only")
    return np.array(flat, np.float64)


def _flat(data: list[Any], shape: list[int]) -> list[Any]:
    """Flatten nested lists, which must have the lengths that the shape says."""
    for length in shape[1:]:
        if not (data and isinstance(data[0], list)):
            return data
        if not all(isinstance(row, list) and len(row) == length for row in data):
            raise wrong("/inputs/0/data", "must be flat, or nested as the shape says")
        data = list(chain.from_iterable(data))
    return data


def _scaled(values: np.ndarray, datatype: str) -> np.ndarray:
    if datatype == "FP32":
        if not ((values >= 0) & (values <= 1)).all():
            raise wrong("/inputs/0/data", "must have numbers from 0 to 1; for 0 to 255, send UINT8")
        return values.astype(np.float32)
    if not ((values >= 0) & (values <= 255) & (values % 1 == 0)).all():
        raise wrong("/inputs/0/data", "must have whole numbers from 0 to 255")
    return (values / 255).astype(np.float32)


def _values(output: Output, prediction: Prediction) -> tuple[str, np.ndarray]:
    tensors: Mapping[str, np.ndarray] = {
        "probabilities": prediction.probabilities,
        "logits": prediction.logits,
        "digit": np.array(prediction.ranked_digits(1), np.int64).reshape(-1),
    }
    if not output.n_classes:
        return OUTPUTS[output.name], tensors[output.name]
    rows = zip(prediction.ranked_digits(min(output.n_classes, N_CLASSES)), tensors[output.name], strict=True)
    # The label of a digit is the digit.
    texts = [[f"{row[digit]!s}:{digit}:{digit}" for digit in ranked] for ranked, row in rows]
    return "BYTES", np.array(texts, object)


def _as_bytes(texts: Sequence[str]) -> bytes:
    """Return texts as BYTES elements, each after its length in four bytes."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(each)) + each for each in encoded)
