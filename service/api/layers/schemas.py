"""The schemas of reports about layers."""

from service.api.shared.schemas import Out


class TensorStatistics(Out):
    """Mean, standard deviation, minimum and maximum of a tensor; null is not finite."""

    mean: float | None
    """Mean of the entries."""
    sd: float | None
    """Standard deviation of the entries, with their number in the denominator."""
    min: float | None
    """Smallest entry."""
    max: float | None
    """Largest entry."""


class InitHistogram(Out):
    """Pre-activations before and after `init`, counted in bins of equal width."""

    low: float
    """Lower end of the first bin: the smallest pre-activation of both."""
    high: float
    """Upper end of the last bin: the largest of both."""
    before: list[int]
    """Pre-activations in each bin before `init`."""
    after: list[int]
    """Pre-activations in each bin after `init`."""


class LayerInitReport(Out):
    """A layer on the init batch: z over rows and units, gain and shift over units.

    A degenerate unit keeps its gain: its input to the gain hardly varies on the batch.
    """

    layer: str
    """Name of the layer."""
    z_before: TensorStatistics
    """Pre-activations before `init`."""
    z_after: TensorStatistics
    """Pre-activations after `init`."""
    gain: TensorStatistics
    """Gains that `init` has set."""
    shift: TensorStatistics
    """Shifts that `init` has set."""
    degenerate_units: int
    """Number of degenerate units."""
    histogram: InitHistogram | None = None
    """How the pre-activations are distributed; null if one is not finite, or if an older release trained the
    job."""


class InitReport(Out):
    """What data-dependent initialisation did to each layer, from input to output."""

    job_id: str
    """Id of the job."""
    init: bool
    """Whether the spec asks for `init`."""
    layers: list[LayerInitReport]
    """The layers, from input to output; empty without `init` and before the first row."""
    left_alone: list[str]
    """The parts of net lstm that init leaves alone, because they recur; empty for other nets."""


class LayerMeasurements(Out):
    """A layer after an update, on the batch of that update; null is not finite or not applicable."""

    layer: str
    """Name of the layer."""
    gradient_norm: float | None
    """Length of dL/dW over all weights of the layer."""
    weight_norm: TensorStatistics | None
    """‖v‖ over the units; null if the layer has no weights (lstm1.cell)."""
    gain: TensorStatistics | None
    """Over the units; null if the layer trains no gain."""
    effective_step: TensorStatistics | None
    """learning_rate / ‖v‖² over the units; null without weights."""
    dead_units: float | None
    """Share of units whose output is 0 for every row; null except in hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; null without running statistics."""
    running_var_drift: float | None
    """The same for the variance."""


class LayersAtStep(Out):
    """The layers after a step, from input to output."""

    step: int
    """The step after whose update the layers were measured."""
    layers: list[LayerMeasurements]
    """The layers, from input to output."""


class TelemetryPage(Out):
    """A page of telemetry."""

    items: list[LayersAtStep]
    """One row per evaluation, the oldest first."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last page."""
