"""Colours have enough contrast, and lines can be distinguished."""

from itertools import product
from typing import Any

import pytest

from analysis.palette import CARD, COLOURS, FAINT, INK, contrast, style
from models.specs.facts import NORMS

METHODS = [norm + init for norm, init in product(NORMS, ("", "+init"))]
UNNAMED = [f"norm{number}" for number in range(200)]
"""Methods that COLOURS does not name."""


def test_contrast_is_computed_as_in_the_guideline() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("nth", [0, 1])
def test_the_colours_of_all_methods_can_be_read(nth: int, theme: Any) -> None:
    colours = {name: style(name, nth, theme).colour for name in (*COLOURS, *METHODS, *UNNAMED)}

    assert [name for name, colour in colours.items() if contrast(colour, CARD[theme]) < 4.5] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_text_can_be_read(theme: Any) -> None:
    assert min(contrast(INK[theme], CARD[theme]), contrast(FAINT[theme], CARD[theme])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_methods_all_look_different_without_their_colours_too(theme: Any) -> None:
    looks = [style(method, 0, theme) for method in METHODS]

    assert len({(look.dash, look.marker, look.hollow) for look in looks}) == len(METHODS)


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", UNNAMED[:20])
def test_a_method_without_a_named_colour_has_its_own_look(name: str, theme: Any) -> None:
    named = {style(method, 0, theme).marker for method in COLOURS}
    plain, with_init, second = style(name, 0, theme), style(f"{name}+init", 0, theme), style(name, 1, theme)

    assert plain.marker not in named
    assert (plain.colour, plain.marker) == (with_init.colour, with_init.marker)
    assert (plain.hollow, with_init.hollow) == (False, True)
    assert plain.colour != second.colour


def test_methods_without_named_colours_differ() -> None:
    assert len({style(name, 0, "light") for name in UNNAMED}) > 0.95 * len(UNNAMED)


def test_a_method_without_a_name_has_a_look_too() -> None:
    assert style("", 0, "dark") == style("", 0, "dark") != style("rms", 0, "dark")
