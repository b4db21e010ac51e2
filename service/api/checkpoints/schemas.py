"""The schemas of checkpoints."""

from datetime import datetime

from service.api.shared.schemas import Out


class CheckpointDetails(Out):
    """Weights and running statistics after a step; figures that are not finite are null."""

    step: int
    weights_sha256: str
    size_bytes: int
    validation_accuracy: float | None
    validation_loss: float | None
    test_accuracy: float | None
    test_loss: float | None
    created_at: datetime
    links: dict[str, str]


class CheckpointList(Out):
    """All checkpoints of a job, the newest first."""

    items: list[CheckpointDetails]
    next_cursor: str | None
