"""Numbers are short and keep their meaning, whatever their size."""

import pytest

from analysis.figures import signed, written


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.95354, 4, "0.9535"),
        (40626973700795779635469568966656.0, 4, "4.06e31"),
        (-2e6, 4, "-2.00e6"),
        (999_999.0, 0, "999999"),
        (0.00002, 4, "2.00e-5"),
        (0.0, 4, "0.0000"),
        (-0.001, 2, "0.00"),
        (0.00002, 2, "0.00"),
    ],
)
def test_a_number_has_decimals_or_a_power_of_ten(value: float, decimals: int, text: str) -> None:
    assert written(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.010612, "+0.0106"),
        (0.05, "+0.0500"),
        (-0.8054, "-0.805"),
        (0.09996, "+0.100"),
        (-1234.5, "-1234"),
        (4.0627e31, "+4.06e31"),
        (-0.00001, "-1.00e-5"),
        (0.0, "+0"),
        (-0.0, "+0"),
    ],
)
def test_a_difference_has_a_sign_and_three_digits(value: float, text: str) -> None:
    assert signed(value) == text
