"""IDX files, the format of MNIST: a big-endian header with the shape, then the bytes."""

import hashlib
import struct

import numpy as np
import torch
from torch import Tensor

UNSIGNED_BYTES = 0x0800  # the type in a magic number; its last byte is the number of dimensions


def parse(data: bytes) -> Tensor:
    """Return the content of an IDX file of unsigned bytes as a tensor of the shape in its header."""
    n_dims = data[3]
    shape = struct.unpack_from(f">{n_dims}I", data, 4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * n_dims).reshape(shape).copy())


def sha256(tensor: Tensor) -> str:
    """Return the sha256 of the IDX file with this content; its header follows from the shape."""
    magic = UNSIGNED_BYTES + tensor.dim()
    digest = hashlib.sha256(struct.pack(f">{tensor.dim() + 1}I", magic, *tensor.shape))
    digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
