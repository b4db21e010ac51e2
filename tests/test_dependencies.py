"""The packages that normserve needs: bounds, pins and the bill of materials say the same."""

import json
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]
PINNED = {
    canonicalize_name(name): pin
    for name, _, pin in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
}
OF_PYTHON = {"pip", "setuptools"}
"""What a virtual environment has, or a build brings."""


def needed(requirement: Requirement, extras: frozenset[str], seen: set[str]) -> Iterator[str]:
    """Yield the names of all packages that a requirement installs here."""
    name = canonicalize_name(requirement.name)
    if requirement.marker and not any(requirement.marker.evaluate({"extra": each}) for each in extras | {""}):
        return
    if f"{name}{sorted(requirement.extras)}" in seen:
        return
    seen.add(f"{name}{sorted(requirement.extras)}")
    yield name
    for line in distribution(name).requires or ():
        yield from needed(Requirement(line), frozenset(requirement.extras), seen)


@pytest.mark.parametrize("requirement", REQUIRED, ids=lambda each: each.name)
def test_a_requirement_has_a_lower_bound_and_its_pin_fits(requirement: Requirement) -> None:
    bounds = [each for each in requirement.specifier if each.operator == ">="]

    assert len(bounds) == 1
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)], prereleases=True)


def test_everything_that_is_installed_is_pinned() -> None:
    seen: set[str] = set()
    names = {name for each in REQUIRED for name in needed(each, frozenset(), seen)} - OF_PYTHON
    installed = {(name, version(name).partition("+")[0]) for name in names}

    assert installed - {*PINNED.items()} == set()


def test_the_bill_of_materials_lists_each_pinned_package() -> None:
    """`make sbom` writes it."""
    bill = json.loads((ROOT / "docs" / "sbom.json").read_text())
    listed = {canonicalize_name(each["name"]): each["version"] for each in bill["components"]}

    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", PROJECT["name"])
    assert listed == PINNED
