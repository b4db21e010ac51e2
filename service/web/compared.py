"""What the page shows of one comparison: the facts of its report, and how its arms look."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from analysis import palette
from analysis.summary import HIGHER_IS_BETTER
from service.api.comparisons.schemas import ComparisonWithProof
from service.api.comparisons.views import view_with_proof
from service.comparing.report import read_facts
from service.comparing.robustness import ArmRobustness, read_robustness
from service.comparing.runs import ended_at_chance
from service.comparing.specs import method_of
from service.comparing.state import State
from service.store import comparisons, results
from service.store.database import Database
from service.store.results import RunRow
from service.web.forest import Forest, side_by_side
from service.web.lines import name_of_comparison
from service.web.markers import marker_path
from service.web.palette import ENDINGS, css_name

LEVEL = 0.95
"""The validation accuracy to be reached with a learning rate."""
MARKER_RADIUS = 5.0
MORE_SEEDS = 5


@dataclass(frozen=True)
class Look:
    """The look of an arm: a class with its colour, and the path of its marker."""

    css: str
    path: str
    hollow: bool


@dataclass(frozen=True)
class Trouble:
    """A run without a proper result, and why."""

    run: RunRow
    what: str
    why: str

    @property
    def looks_like(self) -> str:
        """Return the state that its mark shows: that of a run at chance is not that of a success."""
        return "chance" if self.run.status == "succeeded" else self.run.status


@dataclass(frozen=True)
class Compared:
    """A comparison as the page shows it."""

    state: State
    details: ComparisonWithProof
    facts: Mapping[str, Any]
    looks: Mapping[str, Look]
    troubles: Sequence[Trouble]
    robustness: Sequence[ArmRobustness]

    @property
    def id(self) -> str:
        """Return its public id."""
        return self.details.id

    @property
    def name(self) -> str:
        """Return its label, or what it compares, and the learning rate if one is chosen."""
        name, rate = name_of_comparison(self.state.comparison), self.state.rate
        return name if rate is None else f"{name}, learning rate {rate:g}"

    @property
    def steps(self) -> int:
        """Return the most steps of its arms."""
        steps: list[int] = [spec["steps"] for spec in self.facts["specs"].values()]
        return max(steps)

    @property
    def n_ended(self) -> int:
        """Return how many of its jobs have ended."""
        return self.details.jobs - self.details.progress.queued - self.details.progress.running

    @property
    def last_seed(self) -> int:
        """Return the largest seed, after which more are added."""
        return max(self.details.seeds)

    @property
    def more_seeds(self) -> int:
        """Return how many seeds to add: those that are needed, if they are too few."""
        needed = (each["seeds_needed"] for each in self.facts["summary"]["warnings"])
        return max((each - len(self.details.seeds) for each in needed if each), default=MORE_SEEDS)


def read_compared(session: Session, database: Database, state: State) -> Compared:
    """Read a comparison and compute its results."""
    facts = read_facts(session, database, state)
    rates = comparisons.rates_of(state.comparison)
    runs = results.runs(session, state.comparison)
    return Compared(
        state=state,
        details=view_with_proof(session, state.comparison),
        facts=facts,
        looks=_looks(facts["specs"]),
        troubles=[*_troubles(runs)],
        robustness=read_robustness(session, state, LEVEL, "validation") if rates else [],
    )


def forests_of(shown: Sequence[Compared]) -> list[list[Forest]]:
    """Place the differences of each comparison on one scale per metric where all can be read on it."""
    differences = [each.facts["summary"]["differences"] for each in shown]
    plots = [side_by_side(differences, metric) for metric in HIGHER_IS_BETTER]
    return [list(ours) for ours in zip(*plots, strict=True)]


def _looks(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Look]:
    """Choose the look of each arm as figures do: the nth arm of a method has another one."""
    counts: Counter[str] = Counter()
    looks = {}
    for arm, spec in specs.items():
        method = method_of(spec)
        nth = counts[method]
        style = palette.style(method, nth, "light")
        path = marker_path(style.marker, MARKER_RADIUS)
        looks[arm] = Look(f"method-{css_name(method)}{ENDINGS[nth % 2]}", path, style.hollow)
        counts[method] += 1
    return looks


def _troubles(runs: Sequence[RunRow]) -> Iterator[Trouble]:
    for run in runs:
        if run.failure:
            what = "diverged" if run.failure["code"] == "diverged" else "failed"
            yield Trouble(run, what, run.failure["message"])
        elif run.status == "cancelled":
            yield Trouble(run, "cancelled", "it is left out")
        elif ended_at_chance(run):
            yield Trouble(run, "at chance", "its test accuracy is not above chance: it learned nothing")
