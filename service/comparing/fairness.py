"""The proof that the arms of a comparison had equal starts and equal data: their digests."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.comparing.specs import plan_of
from service.store.tables import Job


@dataclass(frozen=True)
class SeedDigests:
    """The different digests among the runs of one seed that have begun."""

    seed: int
    init_digests: list[str]
    data_digests: list[str]


@dataclass(frozen=True)
class Fairness:
    """Whether runs of one seed that should have equal digests have them."""

    complete: bool
    """Whether every run has begun, so that its digests are known."""
    fair: bool
    seeds: list[SeedDigests]


FAIR = (
    "with each seed, arms of equal shape started from the same drawn weights, and arms of equal batches and "
    "data set saw the same images in the same order"
)


def in_words(proof: Fairness, except_for: str = "") -> str:
    """Say whether the arms were treated alike, as far as their runs have begun.

    `except_for` names the settings that they do not share besides what is compared; empty if there are none.
    """
    if not proof.fair:
        return (
            "No: digests of starts or of batches differ where they should be equal. "
            "The differences above are not due to the arms alone."
        )
    if not proof.complete:
        differ = f" They differ in {except_for}." if except_for else ""
        return f"As far as runs have begun: {FAIR}.{differ}"
    agreed = f"{FAIR}; the sha256 digests of both are stored with every run, and they agree."
    return f"Yes, except for {except_for}. W{agreed[1:]}" if except_for else f"Yes: {agreed}"


def judge(runs: Sequence[Job]) -> Fairness:
    """Compare digests: of initial weights for equal shapes, of the batch order for equal batches."""
    starts, orders = defaultdict(set), defaultdict(set)
    by_seed: dict[int, list[Job]] = defaultdict(list)
    for run in (run for run in runs if run.init_digest and run.data_digest):
        starts[run.seed, _shapes(run)].add(run.init_digest)
        orders[run.seed, _batches(run.spec)].add(run.data_digest)
        by_seed[run.seed].append(run)
    return Fairness(
        complete=all(run.init_digest and run.data_digest for run in runs),
        fair=all(len(digests) == 1 for digests in (*starts.values(), *orders.values())),
        seeds=[
            SeedDigests(
                seed=seed,
                init_digests=sorted({str(run.init_digest) for run in begun}),
                data_digests=sorted({str(run.data_digest) for run in begun}),
            )
            for seed, begun in sorted(by_seed.items())
        ],
    )


def _shapes(run: Job) -> Hashable:
    """Return the shapes of the drawn weights; a net that this release does not know is equal to no other."""
    layers = plan_of(run.spec)
    return run.key if layers is None else tuple((each.kind, each.fan_in, each.n_units) for each in layers)


def _batches(spec: Mapping[str, Any]) -> Hashable:
    return spec["batch_size"], spec["sampling"], spec["dataset"]
