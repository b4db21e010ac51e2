"""The schemas of reports about layers."""

from service.api.shared.schemas import Out


class TensorStatistics(Out):
    """Mean, standard deviation, minimum and maximum of a tensor; null is not finite."""

    mean: float | None
    sd: float | None
    min: float | None
    max: float | None


class LayerInitReport(Out):
    """A layer on the init batch: z over rows and units, gain and shift over units.

    A degenerate unit keeps its gain: its input to the gain hardly varies on the batch.
    """

    layer: str
    z_before: TensorStatistics
    z_after: TensorStatistics
    gain: TensorStatistics
    shift: TensorStatistics
    degenerate_units: int


class InitReport(Out):
    """What data-dependent initialisation did to each layer, from input to output."""

    job_id: str
    init: bool
    layers: list[LayerInitReport]


class LayerMeasurements(Out):
    """A layer after an update, on the batch of that update; null is not finite or not applicable."""

    layer: str
    gradient_norm: float | None
    """Length of dL/dW over all weights of the layer."""
    weight_norm: TensorStatistics
    """‖v‖ over the units."""
    gain: TensorStatistics | None
    """Over the units; null if the layer trains no gain."""
    effective_step: TensorStatistics
    """learning_rate / ‖v‖² over the units."""
    dead_units: float | None
    """Share of units whose output is 0 for every row; null except in hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; null without running statistics."""
    running_var_drift: float | None
    """The same for the variance."""


class LayersAtStep(Out):
    """The layers after a step, from input to output."""

    step: int
    layers: list[LayerMeasurements]


class TelemetryPage(Out):
    """A page of telemetry."""

    items: list[LayersAtStep]
    next_cursor: str | None
