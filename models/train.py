"""The training loop: a cohort of runs of one shape in lockstep, as an iterator of spans."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import ResumeState, dump_net, dump_resume_state, load_resume_state, sha256
from models.data import Digits
from models.init import LayerInit, initialise
from models.net import Backpropagated, build, stack
from models.optimizers import blank_memory, optimizer_of
from models.spec import MetricRow, TrainSpec
from models.streams import BLOCK_STEPS, ORDERS

FIRST_SPAN_SECONDS = 0.1
LONGEST_SPAN_SECONDS = 1.0
GATHER_BYTES = 16 * 2**20
NOT_EVALUATED: Sequence[float | None] = (None, None, None, None)

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
    is its last. It is out of time once its training has taken `max_seconds`.
    """

    run: int
    rows: list[MetricRow]
    resume_state: bytes
    checkpoints: list[Checkpoint]
    outcome: Outcome | None


@dataclass(frozen=True)
class Start:
    """What identifies a run before its first step: equal digests, equal start and batches."""

    init_digest: str
    data_digest: str


@dataclass
class _Record:
    """What a span has measured so far: an entry a step, tensors and lists by place in the stack."""

    first_step: int
    loss: list[Tensor] = field(default_factory=list)
    accuracy: list[Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    evaluations: dict[int, list[list[float]]] = field(default_factory=dict)
    checkpoints: dict[int, list[bytes]] = field(default_factory=dict)

    def rows(self, place: int, elapsed_before: float) -> list[MetricRow]:
        """Put the figures of one run together, up to its first loss that is not finite."""
        loss = torch.stack(self.loss)[:, place].tolist()
        accuracy = torch.stack(self.accuracy)[:, place].tolist()
        elapsed = elapsed_before + np.cumsum(self.seconds)
        rows = []
        for offset, seconds in enumerate(elapsed.tolist()):
            step = self.first_step + offset
            figures = self.evaluations[step][place] if step in self.evaluations else NOT_EVALUATED
            rows.append(MetricRow._make((step, loss[offset], accuracy[offset], *figures, seconds)))
            if not math.isfinite(loss[offset]):
                break
        return rows


def prepare_thread() -> None:
    """Set this thread up: one core, and no denormal numbers, which make a GEMM 200 times slower."""
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

    def spans(self) -> Iterator[list[Span]]:
        """Train; answer one span of every run each time, the first after about 100 ms, later ones longer."""
        if self.step == 0:
            self._initialise()
        target = FIRST_SPAN_SECONDS
        while self.runs:
            spans = self._span(target)
            yield spans
            self.drop({span.run for span in spans if span.outcome})
            target = min(2 * target, LONGEST_SPAN_SECONDS)

    def _initialise(self) -> None:
        x, _ = next(self.batches())
        for place, run in enumerate(self.runs):
            if self.specs[run].init:
                self.reports[run] = initialise(self.net.run(place), x[place : place + 1])

    def _span(self, seconds: float) -> list[Span]:
        record = _Record(self.step + 1)
        end = time.perf_counter() + seconds
        batches = self.batches()
        while self.step < self.specs[0].steps and time.perf_counter() < end:
            started = time.perf_counter()
            result = self.advance(*next(batches))
            record.seconds.append(time.perf_counter() - started)
            record.loss.append(result.loss)
            record.accuracy.append(result.accuracy)
            self._evaluate(record)
        return self._report(record)

    def advance(self, x: Tensor, labels: Tensor) -> Backpropagated:
        """Take one step on images [runs, batch, 784] and labels [runs, batch]."""
        result = self.net.backpropagate(x, labels)
        self.step += 1
        for (name, layer), gradients in zip(self.net.layers.items(), result.gradients, strict=True):
            self.optimizer.update(name, layer, gradients, self.step)
        return result

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images [runs, batch, 784] and labels [runs, batch] of the coming steps."""
        train = self.digits.train
        row_bytes = train.images.shape[1] * train.images.element_size()
        orders = [self.orders[run] for run in self.runs]
        chunk = max(1, GATHER_BYTES // (row_bytes * len(orders) * orders[0].batch_size))
        step = self.step
        while True:
            number, offset = divmod(step, BLOCK_STEPS)
            rows = torch.from_numpy(np.stack([order.block(number) for order in orders]))
            for part in torch.split(rows[:, offset:], chunk, 1):
                flat = part.flatten()
                images = train.images.index_select(0, flat).view(*part.shape, -1)
                labels = train.labels.index_select(0, flat).view(part.shape)
                for place in range(part.shape[1]):
                    yield images[:, place], labels[:, place]
            step += rows.shape[1] - offset

    def _evaluate(self, record: _Record) -> None:
        spec = self.specs[0]
        if spec.evaluates(self.step):
            splits = (self.digits.validation, self.digits.test)
            figures = [figure for split in splits for figure in self.net.evaluate(split.images, split.labels)]
            record.evaluations[self.step] = torch.stack(figures).T.tolist()
        if spec.saves(self.step):
            record.checkpoints[self.step] = [
                dump_net(self.net.run(place), self.specs[run]) for place, run in enumerate(self.runs)
            ]

    def _report(self, record: _Record) -> list[Span]:
        before, self.elapsed = self.elapsed, self.elapsed + sum(record.seconds)
        return [
            self._span_of(place, record, record.rows(place, before[place])) for place in range(len(self.runs))
        ]

    def _span_of(self, place: int, record: _Record, rows: list[MetricRow]) -> Span:
        diverged = not math.isfinite(rows[-1].train_loss)
        checkpoints = [
            Checkpoint(row, weights, sha256(weights))
            for row in rows[: -1 if diverged else None]
            for weights in record.checkpoints.get(row.step, [])[place : place + 1]
        ]
        memory = {name: tensor[place : place + 1] for name, tensor in self.optimizer.tensors().items()}
        elapsed = float(self.elapsed[place])
        state = ResumeState(self.net.run(place), memory, self.step, elapsed)
        return Span(
            run=self.runs[place],
            rows=rows,
            resume_state=dump_resume_state(state),
            checkpoints=checkpoints,
            outcome="diverged" if diverged else self._outcome(self.specs[self.runs[place]], elapsed),
        )

    def _outcome(self, spec: TrainSpec, elapsed: float) -> Outcome | None:
        if self.step == spec.steps:
            return "succeeded"
        if spec.max_seconds is not None and elapsed >= spec.max_seconds:
            return "time_limit"
        return None
