"""A forest plot's geometry: dots and bars lie where their numbers say, on round ticks."""

from typing import Any

import pytest

from service.web.forest import EDGE, SMALLEST, Scale, forest, scale_of, side_by_side, ticks
from service.web.markers import POLYGONS, marker_path


def difference(
    mean: float | None, interval: tuple[float, float] | None = None, **changes: Any
) -> dict[str, Any]:
    return {"arm": "batch", "metric": "test_accuracy", "mean": mean, "interval": interval, **changes}


def test_the_scale_holds_all_means_and_intervals_of_a_metric_and_zero() -> None:
    found = [
        difference(0.02, (0.01, 0.03)),
        difference(-0.01),
        difference(None),
        difference(9.0, (8.0, 10.0), metric="test_loss"),
    ]

    assert scale_of(found, "test_accuracy") == (-0.01, 0.03)
    assert scale_of(found, "test_loss") == (0.0, 10.0)
    assert scale_of([difference(None)], "test_accuracy") == SMALLEST


def test_a_bar_lies_where_its_interval_says() -> None:
    plot = forest(
        [difference(0.02, (0.0, 0.03)), difference(0.01), difference(None)], "test_accuracy", (-0.01, 0.03)
    )

    width = 100 - 2 * EDGE
    assert plot.zero == pytest.approx(EDGE + width / 4)
    assert plot.higher_is_better
    assert [(bar.at, bar.low, bar.high) for bar in plot.bars] == [
        (pytest.approx(EDGE + 0.75 * width), pytest.approx(EDGE + width / 4), pytest.approx(EDGE + width)),
        (pytest.approx(EDGE + width / 2), None, None),
        (None, None, None),
    ]
    assert not forest([], "test_loss", (0, 1)).higher_is_better


@pytest.mark.parametrize(
    ("means", "zeros", "own"),
    [((0.02, 0.01), 1, False), ((0.02, -0.8), 2, True), ((0.02, None), 1, False)],
    ids=["common", "own", "nothing known"],
)
def test_plots_share_a_scale_on_which_each_can_be_read(
    means: tuple[float | None, ...], zeros: int, own: bool
) -> None:
    plots = side_by_side([[difference(mean)] for mean in means], "test_accuracy")

    assert [plot.has_own_scale for plot in plots] == [own, own]
    assert len({plot.zero for plot in plots}) == zeros


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        ((-0.01, 0.03), ["-0.01", "0", "+0.01", "+0.02", "+0.03"]),
        ((-0.00375, 0.00231), ["-0.002", "0", "+0.002"]),
        ((0, 12), ["0", "+2.5", "+5.0", "+7.5", "+10.0"]),
        (SMALLEST, ["-0.010", "-0.005", "0", "+0.005", "+0.010"]),
        ((0, 4.06e31), ["0", "+1e31", "+2e31", "+3e31", "+4e31"]),
        ((-3e-5, 0), ["-3e-5", "-2e-5", "-1e-5", "0"]),
        ((-250, 0), ["-250", "-200", "-150", "-100", "-50", "0"]),
    ],
    ids=str,
)
def test_ticks_are_round_numbers_with_all_their_digits(scale: Scale, labels: list[str]) -> None:
    found = ticks(scale)

    assert [label for _, label in found] == labels
    assert [float(label) for _, label in found] == pytest.approx([value for value, _ in found])


@pytest.mark.parametrize(
    ("marker", "n_corners"),
    [("s", 4), ("*", 10), ("P", 12), ("X", 12), *((name, n) for name, (n, _) in POLYGONS.items())],
)
def test_a_marker_has_its_corners(marker: str, n_corners: int) -> None:
    assert marker_path(marker, 5).count("L") + 1 == n_corners


def test_a_circle_has_no_corners() -> None:
    assert marker_path("o", 5) == "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"
