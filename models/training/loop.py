"""The training loop: a cohort of runs of one shape in lockstep, as an iterator of spans."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.data.digits import Digits
from models.nets.determinism import fix_product_kernels
from models.nets.divergence import NonFinite, computed, first_non_finite, kept
from models.nets.init import LayerInit, initialise
from models.nets.net import stack, targets_of
from models.nets.telemetry import LayerTelemetry, TelemetryRow, measure
from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from models.training.checkpoint import ResumeState, dump_net, dump_resume_state, load_resume_state, sha256
from models.training.optimizers import blank_memory, optimizer_of
from models.training.recording import Recording
from models.training.start import build
from models.training.streams import BLOCK_STEPS, ORDERS

FIRST_SPAN_SECONDS = 0.1
LONGEST_SPAN_SECONDS = 1.0
SPAN_TO_STORING = 40
STORED_BYTES_PER_SECOND = 250e6
LONGEST_SPAN_OF_LARGE_STATE_SECONDS = 30.0

Outcome = Literal["succeeded", "diverged", "time_limit"]


@dataclass(frozen=True)
class Run:
    """One slice of a cohort: what to train, and the resume state to take it up from."""

    spec: TrainSpec
    resume_state: bytes | None = None


@dataclass(frozen=True)
class Checkpoint:
    """The net after a step, as safetensors bytes, and how it did."""

    row: MetricRow
    weights: bytes
    weights_sha256: str


@dataclass(frozen=True)
class Span:
    """Consecutive steps of one run, to be stored together.

    `outcome` is None while the run goes on. A run has diverged when a train loss is not finite; that row
    is its last, and `broken` tells what was the first that was not. It is out of time once its training has
    taken `max_seconds`.
    """

    run: int
    rows: list[MetricRow]
    resume_state: bytes | None
    """What to go on from; None once the run has ended."""
    checkpoints: list[Checkpoint]
    telemetry: list[TelemetryRow]
    outcome: Outcome | None
    broken: NonFinite | None


@dataclass(frozen=True)
class Start:
    """What identifies a run before its first step: equal digests, equal start and batches."""

    init_digest: str
    data_digest: str


class Batch(NamedTuple):
    """What a step trains on: images [runs, batch, 784], labels [runs, batch], targets of the loss."""

    images: Tensor
    labels: Tensor
    targets: Tensor


def prepare_thread() -> None:
    """Prepare this thread to train: one core, the same bits in any stack, and no denormal numbers.

    Denormal numbers make a GEMM 200 times slower.
    """
    fix_product_kernels()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Training:
    """A cohort in training: runs of one shape and one step to start from.

    Iterate over `spans()`; call `drop` between two spans for runs that are not wanted any more. The bits of
    a run do not depend on its neighbours, on the spans, or on interruptions.
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
            ResumeState(net, blank_memory(run.spec, net), 0, 0.0)
            if run.resume_state is None
            else load_resume_state(run.resume_state, run.spec)
            for run, (net, _) in zip(cohort, built, strict=True)
        ]
        if len({state.step for state in states}) != 1:
            raise ValueError("the runs of a cohort must start from one step")
        self.step = states[0].step
        self.elapsed = np.array([state.elapsed_seconds for state in states])
        self.net = stack([state.net for state in states])
        rates = torch.tensor([spec.learning_rate for spec in self.specs])
        memory = {name: torch.cat([state.memory[name] for state in states]) for name in states[0].memory}
        self.optimizer = optimizer_of(self.specs[0], rates.view(-1, 1, 1), memory)
        self.reports: dict[int, list[LayerInit]] = {}
        """What init did to each run that it started, as soon as there are spans."""
        self.resume_states = [run.resume_state for run in cohort]
        self.runs = list(range(len(cohort)))  # the run that each slice of the stack belongs to

    def drop(self, runs: set[int]) -> None:
        """Stop training these runs; the others go on as if nothing had happened."""
        kept = [place for place, run in enumerate(self.runs) if run not in runs]
        if len(kept) < len(self.runs):
            index = torch.tensor(kept, dtype=torch.long)
            self.runs = [self.runs[place] for place in kept]
            self.net = self.net.map(lambda tensor: tensor[index])
            self.optimizer = self.optimizer.map(lambda tensor: tensor[index])
            self.elapsed = self.elapsed[kept]

    def spans(self, called_off: Callable[[], bool] = lambda: False) -> Iterator[list[Span]]:
        """Train; answer one span of every run each time, the first after about 100 ms, later ones longer.

        `called_off` is asked every second within a longer span, and ends that span when it says so.
        """
        if self.step == 0:
            self._initialise()
        target = FIRST_SPAN_SECONDS
        while self.runs:
            record = self._span(target, called_off)
            spans = self._report(record)
            yield spans
            self.drop({span.run for span in spans if span.outcome})
            # A large state takes long to store: its spans are so long that it is a small share of them. It is
            # not measured: after waiting for a database or a busy disk more would be lost with this worker.
            storing = sum(len(span.resume_state or b"") for span in spans) / STORED_BYTES_PER_SECOND
            share = min(SPAN_TO_STORING * storing, LONGEST_SPAN_OF_LARGE_STATE_SECONDS)
            target = max(min(2 * target, LONGEST_SPAN_SECONDS), share)

    def _initialise(self) -> None:
        x = next(self.batches()).images
        for place, run in enumerate(self.runs):
            if self.specs[run].init:
                self.reports[run] = initialise(self.net.run(place), x[place : place + 1])

    def _span(self, seconds: float, called_off: Callable[[], bool]) -> Recording:
        record = Recording(self.step + 1)
        begun = looked = time.perf_counter()
        batches = self.batches()
        # At least one step, also when the process was paused just now.
        while True:
            started = time.perf_counter()
            batch = next(batches)
            log_probabilities = self.advance(batch)
            record.add(log_probabilities, batch.labels, time.perf_counter() - started)
            self._evaluate(record, batch)
            now = time.perf_counter()
            if self.step == self.specs[0].steps or now - begun >= seconds:
                return record
            if now - looked >= LONGEST_SPAN_SECONDS:
                if called_off():
                    return record
                looked = time.perf_counter()

    def advance(self, batch: Batch) -> Tensor:
        """Take one step; answer the log-probabilities [runs, batch, classes] before it."""
        result = self.net.backpropagate(batch.images, batch.targets)
        self.step += 1
        for (name, layer), gradients in zip(self.net.layers.items(), result.gradients, strict=True):
            self.optimizer.update(name, layer, gradients, self.step)
        return result.log_probabilities

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the coming steps; the images of one are overwritten by the next."""
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
            for index, *answers in zip(rows.flatten(1)[first:], labels[first:], targets[first:], strict=True):
                torch.index_select(train.images, 0, index, out=flat)
                yield Batch(images, *answers)

    def _evaluate(self, record: Recording, batch: Batch) -> None:
        spec = self.specs[0]
        if spec.evaluates(self.step):
            splits = (self.digits.validation, self.digits.test)
            found = [figure for split in splits for figure in self.net.evaluate(split.images, split.labels)]
            record.evaluations[self.step] = torch.stack(found).T.tolist()
            if spec.telemetry:
                record.telemetry[self.step] = [self._measure(place, batch) for place in range(len(self.runs))]
        if spec.saves(self.step):
            record.checkpoints[self.step] = [
                dump_net(self.net.run(place), self.specs[run]) for place, run in enumerate(self.runs)
            ]

    def _measure(self, place: int, batch: Batch) -> list[LayerTelemetry]:
        images, labels = (tensor[place : place + 1] for tensor in (batch.images, batch.labels))
        return measure(self.net.run(place), images, labels, self.specs[self.runs[place]])

    def _report(self, record: Recording) -> list[Span]:
        before, self.elapsed = self.elapsed, self.elapsed + sum(record.seconds)
        return [self._span_of(place, record, rows) for place, rows in enumerate(record.rows(before))]

    def _span_of(self, place: int, record: Recording, rows: list[MetricRow]) -> Span:
        run = self.runs[place]
        elapsed = float(self.elapsed[place])
        diverged = not math.isfinite(rows[-1].train_loss)
        outcome = "diverged" if diverged else self._outcome(self.specs[run], elapsed)
        broken = self._where_it_broke(run, rows[-1].step) if diverged else None
        self.resume_states[run] = None if outcome else self._dump(place, elapsed)
        healthy = rows[:-1] if diverged else rows
        return Span(
            run=run,
            rows=rows,
            resume_state=self.resume_states[run],
            checkpoints=[
                _checkpoint(row, record.checkpoints[row.step][place])
                for row in healthy
                if row.step in record.checkpoints
            ],
            telemetry=[
                TelemetryRow(row.step, record.telemetry[row.step][place])
                for row in healthy
                if row.step in record.telemetry
            ],
            outcome=outcome,
            broken=broken,
        )

    def _dump(self, place: int, elapsed: float) -> bytes:
        memory = {name: tensor[place : place + 1] for name, tensor in self.optimizer.tensors().items()}
        return dump_resume_state(ResumeState(self.net.run(place), memory, self.step, elapsed))

    def _where_it_broke(self, run: int, last_step: int) -> NonFinite | None:
        """Train the steps since the last resume state again, alone, and look at all that they compute."""
        replay = Training([Run(self.specs[run], self.resume_states[run])], self.digits)
        if replay.step == 0:
            replay._initialise()
        for batch in islice(replay.batches(), last_step - replay.step):
            broken = first_non_finite(computed(replay.net, batch.images, batch.labels), replay.step + 1)
            replay.advance(batch)
            left = replay.net.tensors() | replay.optimizer.tensors()
            broken = broken or first_non_finite(kept(left), replay.step)
            if broken:
                return broken
        return None

    def _outcome(self, spec: TrainSpec, elapsed: float) -> Outcome | None:
        if self.step == spec.steps:
            return "succeeded"
        if spec.max_seconds is not None and elapsed >= spec.max_seconds:
            return "time_limit"
        return None


def _checkpoint(row: MetricRow, weights: bytes) -> Checkpoint:
    return Checkpoint(row, weights, sha256(weights))
