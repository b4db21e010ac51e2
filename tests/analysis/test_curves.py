"""Curves and their bands, with runs that end early."""

from typing import Any

import numpy as np
import pytest

from analysis.curves import evenly_spaced, mean_curve

HISTORIES = np.array([[1.0, 2.0, np.nan, np.nan], [3.0, 2.0, 4.0, np.nan], [5.0, 5.0, 6.0, np.nan]])


def test_a_curve_is_the_mean_of_the_runs_that_have_a_value() -> None:
    found = mean_curve(HISTORIES, "sd")

    assert found.n.tolist() == [3, 3, 2, 0]
    assert found.mean[:3].tolist() == [3, 3, 5]
    assert np.isnan(found.mean[3])


T_OF_TWO = 4.3026527  # Student's t, 97.5 %, two degrees of freedom


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [
        ("minmax", 1.0, 5.0),
        ("sd", 1.0, 5.0),
        ("ci95", 3 - T_OF_TWO * 2 / 3**0.5, 3 + T_OF_TWO * 2 / 3**0.5),
    ],
)
def test_bands_agree_with_the_textbook(band: Any, low: float, high: float) -> None:
    found = mean_curve(HISTORIES, band)

    assert (found.low[0], found.high[0]) == pytest.approx((low, high))


@pytest.mark.parametrize("band", ["sd", "ci95", "minmax"])
def test_no_run_has_no_curve(band: Any) -> None:
    found = mean_curve(HISTORIES[:0], band)

    assert found.n.tolist() == [0, 0, 0, 0]
    assert np.isnan([found.mean, found.low, found.high]).all()


@pytest.mark.parametrize("band", ["sd", "ci95"])
def test_one_run_has_no_band(band: Any) -> None:
    found = mean_curve(HISTORIES[:1], band)

    assert found.mean[0] == 1
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


@pytest.mark.parametrize(("n_steps", "max_points"), [(1, 300), (10, 300), (1000, 300), (1000, 2)])
def test_thinning_keeps_the_ends(n_steps: int, max_points: int) -> None:
    places = evenly_spaced(n_steps, max_points)

    assert len(places) == min(n_steps, max_points)
    assert (places[0], places[-1]) == (0, n_steps - 1)
    assert (np.diff(places) > 0).all()
