"""The learning rate at which an arm of a grid is reported."""

from collections.abc import Mapping, Sequence
from statistics import fmean


def best_rate(accuracies: Mapping[float, Sequence[float]]) -> float | None:
    """Return the rate with the highest mean validation accuracy, the smallest of several.

    `accuracies` has the validation accuracies of an arm's runs by learning rate. A rate without any is left
    out; return None if there is no other. Test figures have no part in it: the best of many test figures is
    better than what any of the rates gives on new data.
    """
    means = {rate: fmean(values) for rate, values in accuracies.items() if values}
    return min(means, key=lambda rate: (-means[rate], rate), default=None)
