"""A forest plot's geometry: where the differences to a baseline lie, in percent of the width."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from analysis import figures
from analysis.summary import HIGHER_IS_BETTER, Metric

Difference = Mapping[str, Any]
"""A difference of a summary: its arm, metric, n, mean, interval, p, verdict and so on."""
EDGE = 7.0
"""Percent of the width that are left free on both sides."""
MOST_TICKS = 5
STEPS = (1, 2, 2.5, 5, 10)
SMALLEST_SHARE = 0.1
"""Of a common scale that each comparison must use."""
SMALLEST: tuple[float, float] = (-0.01, 0.01)
"""The scale where nothing differs."""

Scale = tuple[float, float]


@dataclass(frozen=True)
class Bar:
    """A difference: its dot and the ends of its 95 % interval; None where it has none."""

    difference: Difference
    at: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Tick:
    """A number of the axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Forest:
    """All differences of one metric on one scale."""

    metric: Metric
    zero: float
    """Where the baseline is."""
    higher_is_better: bool
    bars: list[Bar]
    ticks: list[Tick]
    has_own_scale: bool = False
    """Whether its scale is another one than that of the plots beside it."""


def scale_of(differences: Iterable[Difference], metric: Metric) -> Scale:
    """Return the range of the means and intervals of these differences, with zero."""
    ours = [each for each in differences if each["metric"] == metric]
    values = [0.0, *(value for each in ours for value in (each["mean"], *(each["interval"] or ())) if value)]
    low, high = min(values), max(values)
    return (low, high) if low < high else SMALLEST


def side_by_side(comparisons: Sequence[Sequence[Difference]], metric: Metric) -> list[Forest]:
    """Place the differences of each comparison on one scale, or each on its own if one would be flat."""
    known = [[each for each in ours if each["mean"] is not None] for ours in comparisons]
    common = scale_of(chain.from_iterable(known), metric)
    shares = [_width(scale_of(ours, metric)) / _width(common) for ours in known if _has(ours, metric)]
    if min(shares, default=1.0) >= SMALLEST_SHARE:
        return [forest(ours, metric, common) for ours in comparisons]
    return [forest(ours, metric, scale_of(ours, metric), has_own_scale=True) for ours in comparisons]


def _has(differences: Iterable[Difference], metric: Metric) -> bool:
    return any(each["metric"] == metric for each in differences)


def _width(scale: Scale) -> float:
    return scale[1] - scale[0]


def forest(
    differences: Sequence[Difference], metric: Metric, scale: Scale, has_own_scale: bool = False
) -> Forest:
    """Place the differences of a metric on a scale that contains them."""
    low, high = scale

    def place(value: float | None) -> float | None:
        return None if value is None else EDGE + (100 - 2 * EDGE) * (value - low) / (high - low)

    ours = [each for each in differences if each["metric"] == metric]
    ends = [each["interval"] or (None, None) for each in ours]
    return Forest(
        metric=metric,
        zero=place(0.0) or 0.0,
        higher_is_better=HIGHER_IS_BETTER[metric],
        bars=[
            Bar(each, place(each["mean"]), place(start), place(end))
            for each, (start, end) in zip(ours, ends, strict=True)
        ],
        ticks=[Tick(place(value) or 0.0, label) for value, label in ticks(scale)],
        has_own_scale=has_own_scale,
    )


def ticks(scale: Scale) -> list[tuple[float, str]]:
    """Choose a few round numbers of a scale that contains zero, with their labels."""
    low, high = scale
    raw = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in STEPS if factor * power >= raw * (1 - 1e-9))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9) + (step == 2.5 * power))
    labelled = _powers if _has_powers(scale, step) else f"{{:+.{decimals}f}}".format
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(n * step, labelled(n * step) if n else "0") for n in numbers]


def _has_powers(scale: Scale, step: float) -> bool:
    """Return whether numbers of a scale are so large or small that they are written as +2.5e31."""
    return max(map(abs, scale)) >= figures.MOST or step < figures.LEAST


def _powers(value: float) -> str:
    """Write a round number as +2.5e31: no digit is lost, as a tick has at most three."""
    mantissa, power = f"{value:+.2e}".split("e")
    return f"{float(mantissa):+g}e{int(power)}"
