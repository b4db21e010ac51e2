"""The nets of predictions, in torch; imported with the first prediction, because torch takes a second."""

import numpy as np
import torch
from torch import Tensor

from models.nets.net import Net
from models.specs.spec import N_CLASSES, N_IN, TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import prepare_thread
from service.errors import CheckpointCorrupt, ModelDiverged

# The GEMM kernel depends on the number of rows: in blocks of 16, a row's bits never depend on its place.
BLOCK_ROWS = 16


def read_net(weights: bytes, spec: object) -> Net:
    """Load a net from its stored weights and spec; raise CheckpointCorrupt if they do not fit."""
    prepare_thread()
    try:
        return load_net(weights, TrainSpec.model_validate(spec))
    except ValueError as error:  # the weights belong to another net, or this release refuses the spec
        raise CheckpointCorrupt("the stored weights do not fit a spec of this release") from error


def forward(net: Net, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute logits and probabilities, each [rows, 10], of pixels [rows, 784] in [0, 1].

    Raises ModelDiverged if a logit is not finite.
    """
    prepare_thread()  # requests run concurrently, and each computes in one thread, for equal bits
    rows = len(pixels)
    if not rows:
        return np.empty((0, N_CLASSES), np.float32), np.empty((0, N_CLASSES), np.float32)
    padded = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, N_IN), np.float32)
    padded[:rows] = pixels
    blocks = torch.from_numpy(padded.reshape(-1, 1, BLOCK_ROWS, N_IN))
    outputs = [net.forward(block, training=False)[0][0] for block in blocks.unbind()]
    logits = np.concatenate([output.numpy() for output in outputs])[:rows]
    _refuse_non_finite(logits)
    return logits, np.concatenate([output.softmax(-1).numpy() for output in outputs])[:rows]


def classify_block(net: Net, images: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray, float]:
    """Classify at most EVALUATION_ROWS images [rows, 28, 28], bytes as published, as training evaluates them.

    Return the predicted classes and their probabilities, each [rows], and the sum of the losses. Raises
    ModelDiverged if a logit is not finite.
    """
    prepare_thread()
    x = images.reshape(len(images), -1).float().div_(255)
    logits, loss = net.evaluate_block(x, labels.long())
    _refuse_non_finite(logits.numpy())
    predicted = logits[0].argmax(-1)
    confidence = logits[0].softmax(-1).gather(-1, predicted.unsqueeze(-1)).squeeze(-1)
    return predicted.numpy(), confidence.numpy(), float(loss)


def _refuse_non_finite(logits: np.ndarray) -> None:
    if not np.isfinite(logits).all():
        raise ModelDiverged("the net's outputs are not finite numbers; its run diverged")


def size_bytes(net: Net) -> int:
    """Return the bytes of a net's weights and running statistics."""
    return sum(tensor.numel() * tensor.element_size() for tensor in net.tensors().values())
