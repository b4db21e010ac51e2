"""The schemas of reports about layers."""

from service.api.shared.schemas import Out


class TensorStatsOut(Out):
    """Mean, std, min and max of a tensor; null is not finite."""

    mean: float | None
    std: float | None
    min: float | None
    max: float | None


class LayerInitOut(Out):
    """A layer on the init batch: z over rows and units, gain and shift over units.

    A degenerate unit keeps its gain: its input to the gain hardly varies on the batch.
    """

    layer: str
    z_before: TensorStatsOut
    z_after: TensorStatsOut
    gain: TensorStatsOut
    shift: TensorStatsOut
    degenerate_units: int


class InitReportOut(Out):
    """What data-dependent initialisation did to each layer, from input to output."""

    job_id: str
    init: bool
    layers: list[LayerInitOut]


class LayerTelemetryOut(Out):
    """A layer after an update, on the batch of that update; null is not finite or not applicable."""

    layer: str
    gradient_norm: float | None
    """Length of dL/dW over all weights of the layer."""
    weight_norm: TensorStatsOut
    """‖v‖ over the units."""
    gain: TensorStatsOut | None
    """Over the units; null if the layer trains no gain."""
    effective_step: TensorStatsOut
    """learning_rate / ‖v‖² over the units."""
    dead_units: float | None
    """Share of units whose output is 0 for every row; null except in hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; null without running statistics."""
    running_var_drift: float | None
    """The same for the variance."""


class TelemetryRowOut(Out):
    """The layers after a step, from input to output."""

    step: int
    layers: list[LayerTelemetryOut]


class TelemetryOut(Out):
    """A page of telemetry."""

    items: list[TelemetryRowOut]
    next_cursor: str | None
