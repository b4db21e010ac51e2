"""The nets of predictions, in torch; imported with the first prediction, because torch takes a second."""

import numpy as np
import torch

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
    padded = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, N_IN), np.float32)
    padded[:rows] = pixels
    blocks = torch.from_numpy(padded).split(BLOCK_ROWS)  # type: ignore[no-untyped-call] # torch's is untyped
    outputs = [net.forward(block.unsqueeze(0), training=False)[0][0] for block in blocks]
    logits = torch.cat(outputs) if outputs else torch.empty(0, N_CLASSES)
    if not bool(logits[:rows].isfinite().all()):
        raise ModelDiverged("the net's outputs are not finite numbers; its run diverged")
    probabilities = torch.cat([output.softmax(-1) for output in outputs])
    return logits[:rows].numpy(), probabilities[:rows].numpy()


def size_bytes(net: Net) -> int:
    """Return the bytes of a net's weights and running statistics."""
    return sum(tensor.numel() * tensor.element_size() for tensor in net.tensors().values())
