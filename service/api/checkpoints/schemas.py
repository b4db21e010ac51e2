"""The schemas of checkpoints."""

from datetime import datetime

from service.api.shared.schemas import Out


class CheckpointDetails(Out):
    """Weights and running statistics after a step; metrics that are not finite are null."""

    step: int
    """Updates that the net has had."""
    weights_sha256: str
    """sha256 of the safetensors file."""
    size_bytes: int
    """Size of the safetensors file."""
    validation_accuracy: float | None
    """Fraction of the validation images that the net gets right."""
    validation_loss: float | None
    """Mean cross-entropy on the validation images, in nats."""
    test_accuracy: float | None
    """Fraction of the test images that the net gets right."""
    test_loss: float | None
    """Mean cross-entropy on the test images, in nats."""
    created_at: datetime
    """When it was stored, in UTC."""
    links: dict[str, str]
    """Paths of this checkpoint and of its weights."""


class CheckpointList(Out):
    """All checkpoints of a job, the newest first."""

    items: list[CheckpointDetails]
    """The checkpoints, the newest first."""
    next_cursor: str | None
    """Null: the list has one page."""
