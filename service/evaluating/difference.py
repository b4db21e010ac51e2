"""The difference of two nets on the images of one split."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.matched import count_agreement, describe_difference, matched_difference
from analysis.samples import Interval
from analysis.verdicts import Verdict
from models.specs.datasets import SplitName
from service.errors import FieldError, ValidationFailed
from service.serving.classifying import Classified
from service.serving.predictor import Subject

OF_TWO_NETS = (
    "This compares two trained nets on these images; whether one method is better than another needs several "
    "seeds."
)


@dataclass(frozen=True)
class Disagreement:
    """An image that two nets classify differently."""

    index: int
    """Its place in the split."""
    true: int
    """Its label."""
    first: int
    """What the first net predicts."""
    second: int
    """What the second net predicts."""


@dataclass(frozen=True)
class NetDifference:
    """How two nets compare on a split; the fields have the names of the response."""

    n: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    accuracy_difference: float
    interval: Interval
    p: float
    verdict: Verdict
    sentence: str
    n_disagreements: int
    disagreements: Sequence[Disagreement]


def require_same_data(subjects: Sequence[Subject]) -> None:
    """Raise ValidationFailed unless the nets were trained on one data set."""
    if len({subject.train_spec().dataset for subject in subjects}) > 1:
        place = FieldError("/other_id", "other_dataset", "must be a job with the same data set")
        raise ValidationFailed("the two jobs were trained on different data sets", [place])


def compare(first: Classified, second: Classified, split: SplitName, limit: int) -> NetDifference:
    """Compare two classifications of a split; list at most `limit` images that differ, in order of index."""
    agreement = count_agreement(first.is_right(), second.is_right())
    matched = matched_difference(agreement)
    sentence = describe_difference("The first net", "the second net", f"{split} images", agreement, matched)
    places = np.flatnonzero(first.predicted != second.predicted)
    return NetDifference(
        n=agreement.n,
        **asdict(agreement),
        accuracy_difference=matched.difference,
        interval=matched.interval,
        p=matched.p,
        verdict=matched.verdict,
        sentence=f"{sentence} {OF_TWO_NETS}",
        n_disagreements=len(places),
        disagreements=[
            Disagreement(
                int(place), *(int(row[place]) for row in (first.labels, first.predicted, second.predicted))
            )
            for place in places[:limit]
        ],
    )
