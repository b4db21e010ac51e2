"""The bytes that a run writes into the database over its life, as a formula of its spec."""

import math

from models.specs import span_lengths
from models.specs.comparison import ComparisonSpec
from models.specs.estimate import Speed, evaluations, run_seconds
from models.specs.memory import OPTIMIZER_STATE
from models.specs.spec import TrainSpec

ROW_BYTES, EVALUATED_BYTES = 90, 32
"""A metric row with its index, and what an evaluation adds to it."""
TELEMETRY_BYTES = 550
"""The telemetry of a layer after an evaluation."""
CHECKPOINT_HEADER_BYTES = 1_500
"""What a checkpoint has besides its tensors: the spec, names and shapes, and its row."""
SPAN_BYTES = 4_000
"""What a span writes besides rows, checkpoints and the tensors of its resume state: the row of the job."""
SPEED = Speed(seconds_per_call=5e-6, seconds_per_flop=2e-11, seconds_per_byte=2e-10)
"""The speed of a slow machine: the longer a run takes, the more resume states it writes."""


def written_bytes(spec: TrainSpec) -> int:
    """Estimate the bytes of all rows, telemetry, checkpoints and resume states that a run writes.

    Checkpoints that a later span drops and resume states that are replaced count too.
    """
    evaluated, spans = evaluations(spec), _spans(spec)
    rows = spec.steps * ROW_BYTES + evaluated * EVALUATED_BYTES
    telemetry = spec.telemetry * evaluated * len(spec.plan()) * TELEMETRY_BYTES
    weights = _checkpoints(spec, spans) * (spec.checkpoint_bytes() + CHECKPOINT_HEADER_BYTES)
    # The last span of a run has no resume state.
    return rows + telemetry + weights + spans * SPAN_BYTES + (spans - 1) * _state_bytes(spec)


def comparison_bytes(comparison: ComparisonSpec) -> int:
    """Estimate the bytes that all runs of a comparison write; seeds and learning rates do not matter."""
    times = len(comparison.seeds) * max(1, len(comparison.learning_rates))
    arms = (TrainSpec.model_construct(**fields) for fields in comparison.arm_fields().values())
    return times * sum(map(written_bytes, arms))


def _checkpoints(spec: TrainSpec, spans: int) -> int:
    """Return the number of checkpoints that are written: at most those that are kept after each span."""
    kept = spec.keep_checkpoints + 1 if spec.keep_checkpoints else 1
    return min(math.ceil(spec.steps / spec.checkpoint_every), spans * kept)


def _spans(spec: TrainSpec) -> int:
    """Estimate the number of spans: each of the first is twice as long as the one before."""
    storing = _state_bytes(spec) / span_lengths.STORED_BYTES_PER_SECOND
    longest = span_lengths.LONGEST_SPAN_OF_LARGE_STATE_SECONDS
    seconds = max(span_lengths.LONGEST_SPAN_SECONDS, min(span_lengths.SPAN_TO_STORING * storing, longest))
    n_growing = math.ceil(math.log2(seconds / span_lengths.FIRST_SPAN_SECONDS))
    return min(spec.steps, math.ceil(n_growing + run_seconds(spec, SPEED) / seconds))


def _state_bytes(spec: TrainSpec) -> int:
    """Return the bytes of the tensors of a resume state: those of the net, and the optimizer's."""
    running = sum(layer.n_running for layer in spec.plan())
    return 4 * (running + (1 + len(OPTIMIZER_STATE[spec.optimizer])) * spec.parameter_count())
