"""Colours that can be read, and lines that can be told apart."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from analysis.palette import CARD, COLOURS, FAINT, INK, UNKNOWN, style
from models.specs.facts import NORMS

METHODS = [norm + init for norm, init in product(NORMS, ("", "+init"))]


def luminance(colour: str) -> float:
    """Of WCAG 2.2, from sRGB."""
    red_green_blue = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(
        red_green_blue <= 0.04045, red_green_blue / 12.92, ((red_green_blue + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_guideline() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", COLOURS)
def test_the_colours_of_lines_can_be_read(name: str, theme: Any) -> None:
    first, second = COLOURS[name][theme]

    assert min(contrast(first, CARD[theme]), contrast(second, CARD[theme])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_text_can_be_read(theme: Any) -> None:
    assert min(contrast(INK[theme], CARD[theme]), contrast(FAINT[theme], CARD[theme])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_methods_all_look_different_without_their_colours_too(theme: Any) -> None:
    looks = [style(method, 0, theme) for method in METHODS]

    assert len({(look.dash, look.marker, look.hollow) for look in looks}) == len(METHODS) == 14


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fifty_arms_of_one_method_all_look_different(theme: Any) -> None:
    assert len({style("batch", nth, theme) for nth in range(50)}) == 50


@pytest.mark.parametrize("norm", sorted(set(NORMS) - {"weight"}))
def test_init_keeps_the_colour_of_its_norm(norm: str) -> None:
    plain, with_init = style(norm, 0, "light"), style(f"{norm}+init", 0, "light")

    assert plain.colour == with_init.colour
    assert (plain.dash, plain.hollow) != (with_init.dash, with_init.hollow)


def test_init_of_weight_normalization_has_a_colour_of_its_own() -> None:
    assert style("weight", 0, "light").colour != style("weight+init", 0, "light").colour


def test_a_second_arm_of_a_method_differs_in_colour_dash_and_marker() -> None:
    first, second = style("batch", 0, "light"), style("batch", 1, "light")

    assert first.colour != second.colour
    assert first.dash != second.dash
    assert first.marker != second.marker


@pytest.mark.parametrize("method", ["instance", "instance+init", ""])
def test_an_unknown_method_is_neutral(method: str) -> None:
    assert style(method, 0, "dark").colour == COLOURS[UNKNOWN]["dark"][0]
