"""What an extension makes of a comparison: its new spec, and the arms and seeds that are run again."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from models.specs.comparison import Arm, ComparisonSpec
from service.api.comparisons.schemas import ComparisonExtension
from service.api.shared.problems import InvalidBody
from service.comparing.specs import with_defaults
from service.store.comparisons import Again
from service.store.tables import Comparison


def extend_spec(comparison: Comparison, extension: ComparisonExtension) -> tuple[ComparisonSpec, Again]:
    """Add the extension to the stored spec; an error points at its place in the extension."""
    # The stored arms are complete: the preset may have changed since.
    known = {**comparison.spec, "preset": None}
    there = {arm["name"]: arm for arm in known["arms"]}
    new = {place: arm for place, arm in enumerate(extension.arms) if not _is_there(arm, there)}
    arms = [arm.model_dump(exclude_unset=True) for arm in new.values()]
    seeds = [seed for seed in extension.seeds or [] if seed not in known["seeds"]]
    try:
        spec = ComparisonSpec(
            **{**known, "arms": [*there.values(), *arms], "seeds": [*known["seeds"], *seeds]}
        )
    except ValidationError as error:
        raise InvalidBody(_only_added(error.errors(include_url=False), len(there), list(new))) from None
    again = Again(
        arms=[arm.name for place, arm in enumerate(extension.arms) if place not in new],
        seeds=[seed for seed in extension.seeds or [] if seed in known["seeds"]],
    )
    return spec, again


def _is_there(arm: Arm, there: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the comparison has an arm of this name and with these fields."""
    stored = there.get(arm.name)
    return stored is not None and all(
        with_defaults(stored)[name] == value for name, value in arm.overrides().items()
    )


def _only_added(lines: Sequence[Any], n_earlier: int, places: Sequence[int]) -> list[Any]:
    """Give the added arms their places in the extension, and drop the errors of earlier ones."""
    found = []
    for line in lines:
        place = line["loc"]
        if place[:1] == ("arms",) and len(place) > 1:
            if place[1] < n_earlier:
                continue
            place = ("arms", places[place[1] - n_earlier], *place[2:])
        found.append({**line, "loc": place})
    return found
