"""The nets of a comparison that predict together: one run of each arm, all with one seed."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.comparing.runs import Runs, read_runs
from service.comparing.state import State
from service.errors import FieldError, ModelNotReady, ValidationFailed
from service.store import results
from service.store.results import RunRow


class ArmNet(NamedTuple):
    """An arm, and its run with the seed; None where it has none."""

    arm: str
    run: RunRow | None
    missing: ModelNotReady | None
    """Why the run has no net."""


class Nets(NamedTuple):
    """The arms of a comparison with one seed."""

    seed: int
    arms: Sequence[ArmNet]


def choose_nets(session: Session, state: State, seed: int | None) -> Nets:
    """Return the run of each arm with a seed, by default the first seed for which most arms have a net.

    So it is the first for which all have one, if there is such a seed. Raises ValidationFailed for a seed
    that the comparison does not have.
    """
    seeds: list[int] = state.comparison.spec["seeds"]
    if seed is not None and seed not in seeds:
        place = FieldError("/seed", "unknown_seed", "must be a seed of the comparison")
        raise ValidationFailed("the comparison was not trained with this seed", [place])
    runs = read_runs(session, state)
    ready = results.with_checkpoint(session, [run.key for found in runs.values() for run in found])
    chosen = _best_seed(seeds, runs, ready) if seed is None else seed
    return Nets(chosen, [_net(arm, found, chosen, ready) for arm, found in runs.items()])


def _best_seed(seeds: Sequence[int], runs: Runs, ready: set[int]) -> int:
    found = [run.seed for each in runs.values() for run in each if run.key in ready]
    return max(sorted(seeds), key=found.count)


def _net(arm: str, runs: Sequence[RunRow], seed: int, ready: set[int]) -> ArmNet:
    run = next((run for run in runs if run.seed == seed), None)
    if run is None:
        return ArmNet(arm, None, ModelNotReady("the arm has no learning rate yet; no run of it has a result"))
    if run.key not in ready:
        return ArmNet(arm, run, ModelNotReady(f"the run is {run.status} and has no checkpoint"))
    return ArmNet(arm, run, None)
