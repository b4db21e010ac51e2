"""What to compare: arms that differ in their specs, each trained with the same seeds."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails

from models.specs.facts import NORMS
from models.specs.spec import MAX_SEED, TrainSpec
from models.specs.strict import StrictModel, broken, wrong

MOST_RUNS = 1000

Preset = Literal["article", "article_as_written", "all_norms"]
ArmName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
LearningRate = Annotated[float, Field(gt=0, le=1e6)]


def _count_up(seeds: Any) -> Any:
    if type(seeds) is not int:
        return seeds
    if not 1 <= seeds <= MOST_RUNS:
        raise broken("seeds", f"must be a list of seeds, or how many of them: 1 to {MOST_RUNS}")
    return list(range(seeds))


Seeds = Annotated[
    list[Seed],
    Field(min_length=1, max_length=MOST_RUNS),
    BeforeValidator(_count_up, json_schema_input_type=list[Seed] | Annotated[int, Field(ge=1, le=MOST_RUNS)]),
]

_OVERRIDES: Any = {
    name: (field.annotation, field) for name, field in TrainSpec.model_fields.items() if name != "seed"
}
Overrides = create_model("Overrides", __base__=StrictModel, **_OVERRIDES)
"""Fields of a spec; those that are not given follow from elsewhere."""


class Arm(Overrides):
    """One way to train: a name, and the fields of the spec that make it what it is."""

    name: ArmName
    """Names the arm in every answer."""

    def overrides(self) -> dict[str, Any]:
        """Answer the fields of the spec that the arm gives."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"name"}}


class PlannedRun(NamedTuple):
    """One run of a comparison."""

    arm: str
    spec: TrainSpec


def _arms_of(preset: Preset) -> list[dict[str, Any]]:
    """List the arms of a preset: those of the memo, as meant and as its code drew g, or every norm."""
    if preset == "all_norms":
        named = product(NORMS, (False, True))
        return [{"name": norm + "+init" * init, "norm": norm, "init": init} for norm, init in named]
    return [
        {"name": "none", "norm": "none"},
        {
            "name": "weight",
            "norm": "weight",
            **({"g_init": "random"} if preset == "article_as_written" else {}),
        },
        {"name": "weight+init", "norm": "weight", "init": True},
        {"name": "batch", "norm": "batch"},
        {"name": "layer", "norm": "layer"},
    ]


PRESETS: dict[Preset, list[dict[str, Any]]] = {preset: _arms_of(preset) for preset in get_args(Preset)}


class ComparisonSpec(StrictModel):
    """The description of a comparison: arms × learning rates × seeds.

    What `base` gives holds for every arm, unless the arm of a preset says otherwise, and an arm given here
    has the last word; one with the name of a preset's arm changes that one.
    """

    preset: Preset | None = None
    """Arms that need not be written down: article (the memo's five), article_as_written (the same, with
    gains of Weight Normalization drawn like weights), all_norms (seven, each without and with init)."""
    arms: Annotated[list[Arm], Field(max_length=200)] = Field(default_factory=list)
    """Arms by name, with the fields of a job's spec in which they differ."""
    base: Overrides = Field(default_factory=Overrides)
    """Fields of the spec that all arms share."""
    seeds: Seeds = Field(default_factory=lambda: list(range(5)))
    """The seeds of every arm, or how many: 5 means 0 to 4."""
    learning_rates: Annotated[list[LearningRate], Field(max_length=100)] = Field(default_factory=list)
    """Rates that every arm is trained with; none is that of its spec alone."""
    baseline: ArmName | None = None
    """The arm that the others are compared with; the first by default."""

    @model_validator(mode="after")
    def _be_a_comparison(self) -> Self:
        if not self.arms and not self.preset:
            raise broken("no_arms", "there must be at least one arm, or a preset", "arms")
        for name in ("seeds", "learning_rates"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise broken("repeated", "must be different from each other", name)
        _refuse(self._repeated_names())
        if self.baseline is not None and self.baseline not in self.arm_fields():
            raise broken("unknown_baseline", "must be the name of an arm", "baseline")
        _refuse(self._second_learning_rates())
        n_runs = len(self.arm_fields()) * len(self.seeds) * max(1, len(self.learning_rates))
        if n_runs > MOST_RUNS:
            rule = f"arms, seeds and learning rates make {n_runs} runs; at most {MOST_RUNS} are allowed"
            raise broken("too_many_runs", rule, "arms", "seeds")
        _refuse(self._broken_specs())
        return self

    def arm_names(self) -> list[str]:
        """Name the arms in their order: those of the preset, then others."""
        return list(self.arm_fields())

    def arm_fields(self) -> dict[str, dict[str, Any]]:
        """Answer by the name of each arm the fields of the spec that are given for it."""
        base = {name: getattr(self.base, name) for name in self.base.model_fields_set}
        found = {}
        for arm in PRESETS[self.preset] if self.preset else []:
            found[arm["name"]] = base | {name: value for name, value in arm.items() if name != "name"}
        for given in self.arms:
            found[given.name] = found.get(given.name, base) | given.overrides()
        return found

    def runs(self) -> Iterator[PlannedRun]:
        """Plan the runs, seed by seed, so that all arms have their first figures early."""
        # Each arm was validated with the comparison, and so was each rate and each seed.
        specs = {name: TrainSpec.model_construct(**fields) for name, fields in self.arm_fields().items()}
        rates = [{"learning_rate": rate} for rate in self.learning_rates] or [{}]
        for seed, rate, (name, spec) in product(self.seeds, rates, specs.items()):
            yield PlannedRun(name, spec.model_copy(update={**rate, "seed": seed}))

    def _repeated_names(self) -> Iterator[InitErrorDetails]:
        times = Counter(arm.name for arm in self.arms)
        for place, arm in enumerate(self.arms):
            if times[arm.name] > 1:
                yield wrong(("arms", place, "name"), "repeated", "is the name of another arm too")

    def _second_learning_rates(self) -> Iterator[InitErrorDetails]:
        given: list[tuple[str | int, ...]]
        given = [("arms", place) for place, arm in enumerate(self.arms) if "learning_rate" in arm.overrides()]
        given += [("base",)] if "learning_rate" in self.base.model_fields_set else []
        for place in given if self.learning_rates else []:
            rule = "stands against learning_rates: give one of them"
            yield wrong((*place, "learning_rate"), "not_applicable", rule)

    def _broken_specs(self) -> Iterator[InitErrorDetails]:
        """Check every arm; an error stands at the arm where it was given, else at the base."""
        places = {arm.name: ("arms", place) for place, arm in enumerate(self.arms)}
        for name, fields in self.arm_fields().items():
            try:
                TrainSpec(**fields)
            except ValidationError as error:
                for line in error.errors(include_url=False):
                    place = (*places.get(name, ("base",)), *line["loc"])
                    yield wrong(place, line["type"], line["msg"], line.get("ctx"))


def _refuse(lines: Iterator[InitErrorDetails]) -> None:
    """Raise a ValidationError of these lines, if there are any."""
    found = list(lines)
    if found:
        raise ValidationError.from_exception_data("ComparisonSpec", found)
