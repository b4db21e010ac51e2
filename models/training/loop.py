"""The training loop: trains a cohort of runs in lockstep and yields their spans."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.data.digits import Digits
from models.nets.determinism import fix_product_kernels
from models.nets.divergence import (
    NonFinite,
    find_first_non_finite,
    quantities_after_update,
    quantities_before_update,
    quantities_of_evaluation,
)
from models.nets.init import LayerInit, initialise
from models.nets.net import Batch, targets_of
from models.nets.telemetry import LayerTelemetry, TelemetryRow, measure
from models.specs import span_lengths
from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from models.training.checkpoint import ResumeState, dump_net, dump_resume_state, parse_resume_state, sha256
from models.training.metric_buffer import MetricBuffer
from models.training.optimizers import initial_state
from models.training.stack import Stack
from models.training.start import build
from models.training.streams import BLOCK_STEPS, ORDERS

Outcome = Literal["succeeded", "diverged", "time_limit"]


@dataclass(frozen=True)
class Run:
    """One run of a cohort: its spec, and the resume state to continue from."""

    spec: TrainSpec
    resume_state: bytes | None = None


@dataclass(frozen=True)
class Checkpoint:
    """The net after a step as safetensors bytes, and the metric row of that step."""

    row: MetricRow
    weights: bytes
    weights_sha256: str


@dataclass(frozen=True)
class Span:
    """Consecutive steps of one run, which are stored together.

    `outcome` is None while the run continues. A run has diverged if a train loss, an evaluation or the net of
    a checkpoint is not finite: that row is its last, and `first_non_finite` names the cause. So its end does
    not depend on the lengths of spans. A run reaches its time limit after `max_seconds` of training time.
    """

    run: int
    rows: list[MetricRow]
    resume_state: bytes | None
    """The state to continue from; None if the run has ended."""
    checkpoints: list[Checkpoint]
    telemetry: list[TelemetryRow]
    outcome: Outcome | None
    first_non_finite: NonFinite | None


@dataclass(frozen=True)
class Start:
    """Digests of a run before its first step: equal digests mean equal drawn weights and equal batches."""

    init_digest: str
    data_digest: str


def prepare_thread() -> None:
    """Prepare this thread to train: one core, the same bits in any stack, and no denormal numbers.

    Denormal numbers make a GEMM 200 times slower.
    """
    fix_product_kernels()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Training:
    """The training of a cohort: runs of one shape that start from the same step.

    Iterate over `spans()`; call `drop` between two spans to stop some runs. The bits of a run do not depend
    on the other runs, on the lengths of spans, or on interruptions. The training time of a run is processor
    time of this thread, in seconds: its own `init`, and its share of each step, evaluations included.
    """

    def __init__(self, cohort: Sequence[Run], digits: Digits) -> None:
        self.digits = digits
        self.specs = [run.spec for run in cohort]
        self.orders = [
            ORDERS[spec.sampling](spec.seed, spec.batch_size, len(digits.train.images)) for spec in self.specs
        ]
        built = [build(spec) for spec in self.specs]
        self.starts = [
            Start(digest, order.digest()) for (_, digest), order in zip(built, self.orders, strict=True)
        ]
        states = [
            ResumeState(net, initial_state(run.spec, net), 0, 0.0)
            if run.resume_state is None
            else parse_resume_state(run.resume_state, run.spec)
            for run, (net, _) in zip(cohort, built, strict=True)
        ]
        if len({state.step for state in states}) != 1:
            raise ValueError("the runs of a cohort must start from the same step")
        self.step = states[0].step
        self.elapsed = np.array([state.elapsed_seconds for state in states])
        self.stack = Stack(self.specs, states)
        self.init_reports: dict[int, list[LayerInit]] = {}
        """By run: the effect of init, available from the first span on; empty for resumed runs."""
        self.resume_states = [run.resume_state for run in cohort]
        self.runs = list(range(len(cohort)))
        """The run of each slice of the stack; `index` is a position in this list."""

    def drop(self, runs: set[int]) -> None:
        """Stop training these runs; the others are not affected."""
        remaining = [index for index, run in enumerate(self.runs) if run not in runs]
        if len(remaining) < len(self.runs):
            self.runs = [self.runs[index] for index in remaining]
            self.stack.keep(remaining)
            self.elapsed = self.elapsed[remaining]

    def spans(
        self, should_stop: Callable[[], bool] = lambda: False, longest_seconds: float | None = None
    ) -> Iterator[list[Span]]:
        """Train, and yield one span of every run at a time: the first after about 100 ms, later ones longer.

        Those of a large state last up to `longest_seconds`, by default 30, and those of others a second.
        In a span of more than a second, `should_stop` is called every second; if it returns True, the span
        ends early.
        """
        if self.step == 0:
            self._initialise()
        longest = longest_seconds
        if longest is None:
            longest = span_lengths.LONGEST_SPAN_OF_LARGE_STATE_SECONDS
        target = span_lengths.FIRST_SPAN_SECONDS
        while self.runs:
            spans = self._spans_from(self._train_span(target, should_stop))
            yield spans
            self.drop({span.run for span in spans if span.outcome})
            # Storing a large state takes long, so its spans are long enough to make that a small share. The
            # time is estimated, not measured: longer spans after a slow commit would put more work at risk.
            state_bytes = sum(len(span.resume_state or b"") for span in spans)
            storing = state_bytes / span_lengths.STORED_BYTES_PER_SECOND
            share = min(span_lengths.SPAN_TO_STORING * storing, longest)
            target = max(min(2 * target, span_lengths.LONGEST_SPAN_SECONDS), share)

    def _initialise(self) -> None:
        x = next(self.batches()).images
        for index, run in enumerate(self.runs):
            if self.specs[run].init:
                started = time.thread_time()
                self.init_reports[run] = initialise(self.stack.net.run(index), x[index : index + 1])
                self.elapsed[index] += time.thread_time() - started

    def _train_span(self, seconds: float, should_stop: Callable[[], bool]) -> MetricBuffer:
        buffer = MetricBuffer(self.step + 1)
        begun = checked = time.perf_counter()
        batches = self.batches()
        # At least one step, even if the process was just paused.
        while True:
            started = time.thread_time()
            batch = next(batches)
            buffer.add(self.advance(batch), batch.labels)
            self._evaluate(buffer, batch)
            buffer.seconds.append((time.thread_time() - started) / len(self.runs))
            now = time.perf_counter()
            if self.step == self.specs[0].steps or now - begun >= seconds:
                return buffer
            if now - checked >= span_lengths.LONGEST_SPAN_SECONDS:
                if should_stop():
                    return buffer
                checked = time.perf_counter()

    def advance(self, batch: Batch) -> Tensor:
        """Take one step; return the log-probabilities [runs, batch, classes] before its update."""
        self.step += 1
        return self.stack.advance(batch, self.step)

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the following steps; each overwrites the images of the one before."""
        train, n_in = self.digits.train, self.digits.train.images.shape[1]
        orders = [self.orders[run] for run in self.runs]
        images = torch.empty(len(orders), orders[0].batch_size, n_in)
        flat = images.view(-1, n_in)
        for number in count(self.step // BLOCK_STEPS):
            blocks = np.stack([order.block(number) for order in orders], 1)
            rows = torch.from_numpy(blocks)  # (steps, runs, batch)
            labels = train.labels[rows]
            targets = targets_of(labels)
            first = max(0, self.step - number * BLOCK_STEPS)
            for step in range(first, BLOCK_STEPS):
                torch.index_select(train.images, 0, rows[step].flatten(), out=flat)
                yield Batch(images, labels[step], targets[step])

    def _evaluate(self, buffer: MetricBuffer, batch: Batch) -> None:
        spec = self.specs[0]
        if spec.evaluates(self.step):
            splits = (self.digits.validation, self.digits.test)
            metrics = [
                metric for split in splits for metric in self.stack.evaluate(split.images, split.labels)
            ]
            buffer.evaluations[self.step] = torch.stack(metrics).T.tolist()
            if spec.telemetry:
                buffer.telemetry[self.step] = [self._measure(index, batch) for index in range(len(self.runs))]
        if spec.saves(self.step):
            buffer.checkpoints[self.step] = [self._dump_net(index) for index in range(len(self.runs))]

    def _dump_net(self, index: int) -> bytes | None:
        net = self.stack.net.run(index)
        return dump_net(net, self.specs[self.runs[index]]) if net.is_finite() else None

    def _measure(self, index: int, batch: Batch) -> list[LayerTelemetry]:
        images, labels = (tensor[index : index + 1] for tensor in (batch.images, batch.labels))
        return measure(self.stack.net.run(index), images, labels, self.specs[self.runs[index]])

    def _spans_from(self, buffer: MetricBuffer) -> list[Span]:
        before, self.elapsed = self.elapsed, self.elapsed + sum(buffer.seconds)
        return [self._span(index, buffer, rows) for index, rows in enumerate(buffer.rows(before))]

    def _span(self, index: int, buffer: MetricBuffer, rows: list[MetricRow]) -> Span:
        run = self.runs[index]
        elapsed = float(self.elapsed[index])
        diverged = buffer.has_diverged(index, rows[-1])
        outcome = "diverged" if diverged else self._outcome(self.specs[run], elapsed)
        first_non_finite = self._find_divergence(run, rows[-1].step) if diverged else None
        self.resume_states[run] = None if outcome else self._dump(index, elapsed)
        finite = rows[:-1] if diverged else rows
        return Span(
            run=run,
            rows=rows,
            resume_state=self.resume_states[run],
            checkpoints=[
                Checkpoint(row, weights, sha256(weights))
                for row in finite
                if (weights := buffer.weights(index, row))
            ],
            telemetry=[
                TelemetryRow(row.step, buffer.telemetry[row.step][index])
                for row in rows
                if row.step in buffer.telemetry
            ],
            outcome=outcome,
            first_non_finite=first_non_finite,
        )

    def _dump(self, index: int, elapsed: float) -> bytes:
        state = {name: tensor[index : index + 1] for name, tensor in self.stack.optimizer.tensors().items()}
        return dump_resume_state(ResumeState(self.stack.net.run(index), state, self.step, elapsed))

    def _find_divergence(self, run: int, last_step: int) -> NonFinite | None:
        """Repeat the steps since the last resume state, and check everything that they compute."""
        replay = Training([Run(self.specs[run], self.resume_states[run])], self.digits)
        if replay.step == 0:
            replay._initialise()
        for batch in islice(replay.batches(), last_step - replay.step):
            before = quantities_before_update(replay.stack.net, batch.images, batch.labels)
            first = find_first_non_finite(before, replay.step + 1)
            replay.advance(batch)
            after = quantities_after_update(replay.stack.net.tensors() | replay.stack.optimizer.tensors())
            first = first or find_first_non_finite(after, replay.step)
            if first:
                return first
        splits = {"validation": self.digits.validation, "test": self.digits.test}
        evaluated = (
            quantities_of_evaluation(replay.stack.net, name, split.images, split.labels)
            for name, split in splits.items()
        )
        return find_first_non_finite(chain.from_iterable(evaluated), last_step)

    def _outcome(self, spec: TrainSpec, elapsed: float) -> Outcome | None:
        if self.step == spec.steps:
            return "succeeded"
        if spec.max_seconds is not None and elapsed >= spec.max_seconds:
            return "time_limit"
        return None
