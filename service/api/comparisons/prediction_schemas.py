"""The schemas of the predictions of a comparison."""

from service.api.predictions.schemas import MissingNet, PredictedDigit, PredictingNet, Vote
from service.api.shared.schemas import Out


class ArmPredictions(Out):
    """What one arm sees."""

    arm: str
    """Name of the arm."""
    job_id: str | None
    """Id of its run with the seed; null for an arm without a run."""
    learning_rate: float | None
    """Learning rate of the run."""
    model: PredictingNet | None
    """The net that read the images; null where there is none."""
    predictions: list[PredictedDigit]
    """One prediction per image, with all probabilities; none without a net."""
    missing: MissingNet | None
    """Why there is no net; null where there is one."""


class ComparisonPrediction(Out):
    """What the arms of a comparison see in the same images."""

    comparison_id: str
    """Id of the comparison."""
    seed: int
    """The seed of the runs that predict."""
    arms: list[ArmPredictions]
    """In the order of the comparison."""
    votes: list[Vote]
    """What the arms see together, in the order of the images."""
