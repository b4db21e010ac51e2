"""IDX files, the format of MNIST and its kin: a big-endian header with the shape, then bytes."""

import hashlib
import struct

import numpy as np
import torch
from torch import Tensor

UNSIGNED_BYTES = 0x0800  # the type code of a magic number, whose last byte is the number of dimensions


def parse(data: bytes) -> Tensor:
    """Answer the bytes of an IDX file in their shape; it must be one of unsigned bytes."""
    n_dims = data[3]
    shape = struct.unpack_from(f">{n_dims}I", data, 4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * n_dims).reshape(shape).copy())


def sha256(tensor: Tensor) -> str:
    """Answer the sha256 of the IDX file that these bytes came from: its header is known from the shape."""
    magic = UNSIGNED_BYTES + tensor.dim()
    digest = hashlib.sha256(struct.pack(f">{tensor.dim() + 1}I", magic, *tensor.shape))
    digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
