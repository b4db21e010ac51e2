"""The state of a comparison that a result is computed from."""

from dataclasses import dataclass
from importlib.metadata import version

from sqlalchemy.orm import Session

from service.errors import FieldError, ValidationFailed
from service.store import comparisons
from service.store.tables import Comparison

RELEASE = version("normserve")


@dataclass(frozen=True)
class State:
    """A comparison, one of its learning rates, and how far its jobs are."""

    comparison: Comparison
    rate: float | None
    ended: bool
    revision: int
    """Grows with every change of a job."""
    steps: int
    """Of all runs together."""

    def version(self) -> tuple[object, ...]:
        """Return what every result depends on: equal versions have equal results."""
        return (RELEASE, self.comparison.id, self.comparison.label, self.rate, self.revision)


def read_state(session: Session, comparison_id: str, rate: float | None) -> State:
    """Read the state of a comparison, at its first learning rate by default.

    Raises ComparisonNotFound, and ValidationFailed for a learning rate that the comparison does not have.
    """
    comparison = comparisons.get(session, comparison_id)
    rates = comparisons.rates_of(comparison)
    if rate is not None and rate not in rates:
        rule = f"must be one of: {', '.join(map(str, rates))}" if rates else "the comparison has none"
        place = FieldError("/learning_rate", "unknown_rate", rule)
        raise ValidationFailed("the comparison was not trained with this learning rate", [place])
    progress = comparisons.progress(session, [comparison.key])[comparison.key]
    chosen = rates[0] if rates and rate is None else rate
    return State(comparison, chosen, progress.ended(), progress.revision, progress.steps)
