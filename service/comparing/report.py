"""The facts of a report: what was compared, what was found, and how to repeat it."""

from collections.abc import Collection, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy.orm import Session

from models.specs.nets import NET_FIELDS
from models.specs.spec import TrainSpec
from service.comparing import fairness
from service.comparing.conclusions import conclude
from service.comparing.panels import choice_in_words, title_of
from service.comparing.runs import rates_of_arms, read_runs
from service.comparing.settings import OF_NORMS, Specs, differences_in_words, own_in_words, shared_in_words
from service.comparing.specs import specs_of_arms
from service.comparing.state import State
from service.comparing.summary import read_summary
from service.store import comparisons, results
from service.store.builds import Build
from service.store.database import Database

WITHOUT_EFFECT = {
    "seed",
    "eval_every",
    "checkpoint_every",
    "keep_checkpoints",
    "telemetry",
    "max_seconds",
}
"""Fields of a spec that change no figure of the last step, and the seed."""
DIGITS = 12
"""Digits of a digest of kernels that a reader needs to tell it from others."""
NOT_FOR_ALL = {"scope", "g_init", "groups", "momentum", *NET_FIELDS}
"""Fields that only some norms, optimizers or nets have: shown only where they are not the default."""


def read_facts(session: Session, database: Database, state: State) -> dict[str, Any]:
    """Read all that a report says, by the names that its template uses."""
    comparison = state.comparison
    runs = read_runs(session, state)
    specs = specs_of_arms(comparison, runs)
    summary = read_summary(session, database, state)
    fields = _fields(list(specs.values()))
    choice = choice_in_words(state, rates_of_arms(runs))
    # How a rate is chosen for each arm is said elsewhere, and all arms have the same choice.
    left_out = OF_NORMS if choice is None else {*OF_NORMS, "learning_rate"}
    own = [name for name in fields["differing"] if name not in left_out]
    proof = fairness.judge(comparisons.runs_with_digests(session, comparison))
    return {
        "title": title_of(state),
        "choice": choice,
        "created_at": f"{comparison.created_at.astimezone(UTC):%Y-%m-%d}",
        "summary": summary,
        "conclusions": conclude(summary),
        "specs": specs,
        **fields,
        "settings": shared_in_words(_shared(specs, {*fields["differing"], *left_out})),
        "own_settings": {arm: own_in_words(spec, own) for arm, spec in specs.items()},
        "n_runs": sum(map(len, runs.values())),
        "seeds": _listed(comparison.spec["seeds"]),
        "fairness": fairness.in_words(proof, differences_in_words(specs, own)),
        "builds": _builds_in_words(results.builds(session, comparison)),
        "repeat": {name: value for name, value in comparison.spec.items() if name not in ("preset", "base")},
    }


def _shared(specs: Specs, left_out: Collection[str]) -> dict[str, Any]:
    """Return all fields that specs have in common, with those that every net has at its default."""
    return {name: value for name, value in next(iter(specs.values())).items() if name not in left_out}


def _fields(specs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Separate the fields in which these specs differ from those that they share."""
    names = [name for name in TrainSpec.model_fields if name not in WITHOUT_EFFECT]
    defaults = TrainSpec().model_dump()
    values = {name: [spec[name] for spec in specs] for name in names}
    differing = [name for name in names if any(value != values[name][0] for value in values[name])]
    shared = {
        name: found[0]
        for name, found in values.items()
        if name not in differing and (name not in NOT_FOR_ALL or found[0] != defaults[name])
    }
    return {"differing": differing, "shared": shared}


def _builds_in_words(builds: Sequence[Build]) -> str | None:
    """Say which builds runs were trained with, and whether all of them compute the same bits."""
    names = [f"torch {build.torch_version} on {build.cpu_capability}" for build in builds]
    digests = [build.kernels_sha256 or name for build, name in zip(builds, names, strict=True)]
    named = "; ".join(
        f"{name}, kernels {build.kernels_sha256[:DIGITS]}" if build.kernels_sha256 else name
        for build, name in zip(builds, names, strict=True)
    )
    if not builds:
        return None
    if len(builds) == 1:
        return f"They ran with {named}."
    if len(set(digests)) == 1:
        return f"They ran with different builds that compute the same bits: {named}."
    return f"They ran with different kernels: {named}. Their bits may differ."


def _listed(seeds: Sequence[int]) -> str:
    """List seeds; three or more that follow each other are `0 to 2`."""
    ranges: list[tuple[int, int]] = []
    for seed in seeds:
        first = ranges.pop()[0] if ranges and ranges[-1][1] == seed - 1 else seed
        ranges.append((first, seed))
    return ", ".join(_range(*each) for each in ranges)


def _range(first: int, last: int) -> str:
    if last - first > 1:
        return f"{first} to {last}"
    return str(first) if first == last else f"{first}, {last}"
