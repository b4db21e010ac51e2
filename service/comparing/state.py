"""The state of a comparison that a result is computed from."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from sqlalchemy.orm import Session

from service.errors import FieldError, ValidationFailed
from service.store import comparisons
from service.store.tables import Comparison

RELEASE = version("normserve")

ChosenBy = Literal["validation_accuracy"]


@dataclass(frozen=True)
class State:
    """A comparison, the learning rate that is asked for, and how far its jobs are."""

    comparison: Comparison
    rate: float | None
    """One for all arms, or None: each arm at its best, or at its only one."""
    ended: bool
    revision: int
    """Grows with every change of a job."""
    steps: int
    """Of all runs together."""

    def version(self) -> tuple[object, ...]:
        """Return what every result depends on: equal versions have equal results."""
        return (RELEASE, self.comparison.id, self.comparison.label, self.rate, self.revision)


def choice_of_rates(comparison: Comparison, rate: float | None) -> ChosenBy | None:
    """Return the figure that each arm's rate is chosen by; None if it is asked for or the arm's only one."""
    return "validation_accuracy" if rate is None and comparisons.rates_of(comparison) else None


def read_state(session: Session, comparison_id: str, rate: float | None) -> State:
    """Read the state of a comparison, at this learning rate or at the best of each arm.

    Raises ComparisonNotFound, and ValidationFailed for a learning rate that the comparison does not have.
    """
    comparison = comparisons.get(session, comparison_id)
    rates = comparisons.rates_of(comparison)
    if rate is not None and rate not in rates:
        rule = f"must be one of: {', '.join(map(str, rates))}" if rates else "the comparison has none"
        place = FieldError("/learning_rate", "unknown_rate", rule)
        raise ValidationFailed("the comparison was not trained with this learning rate", [place])
    progress = comparisons.progress(session, [comparison.key])[comparison.key]
    return State(comparison, rate, progress.ended(), progress.revision, progress.steps)
