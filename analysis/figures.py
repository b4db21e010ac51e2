"""Numbers as reports and pages write them."""

import math

LEAST, MOST = 1e-4, 1e6
"""Sizes between which a number is written without a power of ten."""
DIGITS = 3
"""Significant digits of a difference, and of a number with a power of ten."""


def written(value: float, decimals: int = 4) -> str:
    """Write a number with these decimals, or as 4.06e31 if it is very large or very small.

    A small number that has fewer decimals than four is rounded to zero, which has no sign.
    """
    if _needs_power(value) and not (abs(value) < LEAST and decimals < 4):
        return _with_power(value)
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def signed(value: float) -> str:
    """Write a difference with its sign and three significant digits: +0.0106, -4.06e31."""
    if value == 0 or not math.isfinite(value):
        return f"{value:+.0f}".replace("-0", "+0")
    if _needs_power(value):
        return f"{'+' if value > 0 else ''}{_with_power(value)}"
    decimals = DIGITS - 1 - math.floor(math.log10(abs(float(f"{value:.{DIGITS - 1}e}"))))
    return f"{value:+.{max(0, decimals)}f}"


def _needs_power(value: float) -> bool:
    """Return whether a number other than zero is so large or small that its digits would say little."""
    return math.isfinite(value) and value != 0 and not LEAST <= abs(value) < MOST


def _with_power(value: float) -> str:
    mantissa, power = f"{value:.{DIGITS - 1}e}".split("e")
    return f"{mantissa}e{int(power)}"
