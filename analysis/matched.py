"""Two classifiers on the same examples: McNemar's exact test and the interval of their difference."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.samples import CONFIDENCE, Interval
from analysis.seeds import SIGNIFICANCE
from analysis.verdicts import IN_WORDS, Verdict


@dataclass(frozen=True)
class Agreement:
    """How many examples each of two classifiers gets right."""

    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int

    @property
    def n(self) -> int:
        """The number of examples."""
        return self.both_right + self.only_first_right + self.only_second_right + self.both_wrong

    @property
    def first_right(self) -> int:
        """The number of examples that the first gets right."""
        return self.both_right + self.only_first_right

    @property
    def second_right(self) -> int:
        """The number of examples that the second gets right."""
        return self.both_right + self.only_second_right


@dataclass(frozen=True)
class MatchedDifference:
    """The accuracy of the first classifier minus that of the second."""

    difference: float
    interval: Interval
    """95 % interval."""
    p: float
    """Two-sided p of McNemar's exact test."""
    verdict: Verdict


def count_agreement(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Agreement:
    """Count the examples by who is right; both inputs have shape [n] and the same order of examples."""
    both, first, second = (first_right & second_right).sum(), first_right.sum(), second_right.sum()
    return Agreement(
        both_right=int(both),
        only_first_right=int(first - both),
        only_second_right=int(second - both),
        both_wrong=int(len(first_right) - first - second + both),
    )


def matched_difference(found: Agreement) -> MatchedDifference:
    """Compare two classifiers; the verdict is better or worse only if interval and p both support it."""
    only_first, only_second = found.only_first_right, found.only_second_right
    low, high = accuracy_interval(only_first, only_second, found.n)
    p = mcnemar_p(only_first, only_second)
    is_clear = p <= SIGNIFICANCE and not low <= 0 <= high
    return MatchedDifference(
        difference=(only_first - only_second) / found.n,
        interval=(low, high),
        p=p,
        verdict=("better" if low > 0 else "worse") if is_clear else "not_told_apart",
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Compute the two-sided p of McNemar's test, exact: binomial in the examples that one alone gets right.

    It is 1 if there are none (McNemar 1947, Psychometrika 12, 153–157).
    """
    n = only_first + only_second
    return float(_stats().binomtest(only_first, n).pvalue) if n else 1.0


def accuracy_interval(only_first: int, only_second: int, n: int) -> Interval:
    """Compute the 95 % interval of a difference of two accuracies on the same n examples.

    It is the Wald interval after one more example that only the first, and one that only the second gets
    right (Bonett & Price 2012, J. Educ. Behav. Stat. 37, 479–488). Unlike the plain Wald interval it keeps
    its coverage where few examples differ, and it has a width even if none do.
    """
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    difference = first - second
    z = float(_stats().norm.ppf((1 + CONFIDENCE) / 2))
    half = z * float(np.sqrt((first + second - difference**2) / (n + 2)))
    return max(difference - half, -1.0), min(difference + half, 1.0)


def describe_difference(
    first: str, second: str, images: str, found: Agreement, result: MatchedDifference
) -> str:
    """Describe in a sentence how two nets compare on the same images, such as "test images"."""
    figures = (
        f"{found.first_right:,} and {found.second_right:,} right of {found.n:,} {images} "
        f"(difference {result.difference:+.4f}, 95 % interval {result.interval[0]:+.4f} to "
        f"{result.interval[1]:+.4f}, McNemar's exact p {result.p:.2g})"
    )
    if result.verdict == "not_told_apart":
        return f"{first} and {second} show {IN_WORDS[result.verdict]}: {figures}."
    return f"{first} was {result.verdict} than {second}: {figures}."


def _stats() -> Any:
    from scipy import stats  # noqa: PLC0415 # it takes half a second

    return stats
