"""What a worker computes with."""

from typing import NamedTuple


class Build(NamedTuple):
    """The build of torch, the instructions that it uses, and the digest of what decides the bits of a run."""

    torch_version: str
    cpu_capability: str
    kernels_sha256: str | None
    """None where a release before this digest has trained."""
