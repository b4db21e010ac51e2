"""The spec of a comparison: arms that differ in their specs, each trained with the same seeds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from analysis.seeds import seeds_for
from models.specs.facts import NORMS
from models.specs.nets import NET_FIELDS
from models.specs.spec import MAX_SEED, LearningRate, TrainSpec
from models.specs.strict import WITHOUT_DOCSTRINGS, PartialModel, StrictModel, error_line, rule_error

MOST_RUNS = 1000

Preset = Literal["article", "article_as_written", "article_conv", "article_lstm", "all_norms"]
ArmName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


def _count_up(seeds: Any) -> Any:
    if isinstance(seeds, list):
        return seeds
    if type(seeds) is not int:
        raise PydanticCustomError("list_type", "must be a list of seeds, or their number (an integer)")
    if not 1 <= seeds <= MOST_RUNS:
        raise rule_error("seeds", f"must be a list of seeds, or their number: 1 to {MOST_RUNS}")
    return list(range(seeds))


Seeds = Annotated[
    list[Seed],
    Field(min_length=1, max_length=MOST_RUNS),
    BeforeValidator(
        _count_up,
        json_schema_input_type=Annotated[list[Seed], Field(min_length=1, max_length=MOST_RUNS)]
        | Annotated[int, Field(ge=1, le=MOST_RUNS)],
    ),
]


class _WithoutSeed(PartialModel):
    elsewhere: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("seed", "seeds"), "all arms have the same seeds, in seeds of the comparison"
    )

    def unwritten(self) -> set[str]:
        """Return the fields that no request had before there were several nets, unless they are set."""
        return {*NET_FIELDS} - self.model_fields_set


_OVERRIDES: Any = {
    name: (field.annotation, field) for name, field in TrainSpec.model_fields.items() if name != "seed"
}
Overrides = create_model("Overrides", __base__=_WithoutSeed, __cls_kwargs__=WITHOUT_DOCSTRINGS, **_OVERRIDES)
"""Some fields of a spec; the others come from the base, the preset, or the defaults."""


class Arm(Overrides, use_attribute_docstrings=True):
    """One variant to compare: a name, and the fields of the spec in which it differs."""

    example: ClassVar[str] = '{"name": "none", "norm": "none"}'

    name: ArmName
    """Name of the arm in every response."""

    def overrides(self) -> dict[str, Any]:
        """Return the fields of the spec that the arm sets."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"name"}}


class PlannedRun(NamedTuple):
    """One run of a comparison."""

    arm: str
    spec: TrainSpec


def _arms_of(preset: Preset) -> list[dict[str, Any]]:
    """Return the arms of a preset: the memo's as intended, as its code drew g, or on another net; or all."""
    if preset == "all_norms":
        named = product(NORMS, (False, True))
        return [{"name": norm + "+init" * init, "norm": norm, "init": init} for norm, init in named]
    arms: list[dict[str, Any]] = [
        {"name": "none", "norm": "none"},
        {"name": "weight", "norm": "weight"},
        {"name": "weight+init", "norm": "weight", "init": True},
        {"name": "batch", "norm": "batch"},
        {"name": "layer", "norm": "layer"},
    ]
    if preset == "article_as_written":
        arms[1]["g_init"] = "random"
    return [arm | NET_OF_PRESET.get(preset, {}) for arm in arms]


NET_OF_PRESET: dict[Preset, dict[str, Any]] = {
    "article_conv": {"net": "conv"},
    "article_lstm": {"net": "lstm"},
}
PRESETS: dict[Preset, list[dict[str, Any]]] = {preset: _arms_of(preset) for preset in get_args(Preset)}


def _enough_seeds(comparison: Mapping[str, Any]) -> list[int]:
    """Return the fewest seeds that can show a difference, or as many as there may be runs for."""
    preset = PRESETS[comparison["preset"]] if comparison["preset"] else []
    names = {arm["name"] for arm in preset} | {arm.name for arm in comparison["arms"]}
    n_runs = max(1, len(names)) * max(1, len(comparison["learning_rates"]))
    return list(range(max(1, min(seeds_for(len(names)), MOST_RUNS // n_runs))))


class ComparisonSpec(StrictModel):
    """The description of a comparison: arms × learning rates × seeds.

    A field of an arm overrides the same field of `base`. An arm with the name of a preset's arm changes that
    arm; any other arm is added.
    """

    elsewhere: ClassVar[Mapping[str, str]] = {
        name: f"put {name} into base, or into an arm"
        for name in TrainSpec.model_fields
        if name not in {"seed", "learning_rate"}
    }

    preset: Preset | None = None
    """Predefined arms: article (the memo's five), article_as_written (the same, with gains of Weight
    Normalization drawn like weights), article_conv and article_lstm (the memo's five on these nets),
    all_norms (every norm, each without and with init)."""
    arms: Annotated[list[Arm], Field(max_length=200)] = Field(default_factory=list)
    """Arms, each with a name and the fields of the spec in which it differs."""
    base: Overrides = Field(default_factory=Overrides)
    """Fields of the spec that all arms share."""
    learning_rates: Annotated[list[LearningRate], Field(max_length=100)] = Field(default_factory=list)
    """Learning rates that every arm is trained with; if empty, each arm uses the one of its spec."""
    seeds: Seeds = Field(default_factory=_enough_seeds)
    """The seeds of every arm, or their number: 8 means 0 to 7. If absent, the fewest that can show a
    difference between the arms: 6 for two arms, 8 for the article's five, 5 for a single arm."""
    baseline: ArmName | None = None
    """Name of the arm that the others are compared with; the first arm by default."""

    @model_validator(mode="after")
    def _check_arms_and_seeds(self) -> Self:
        if not self.arms and not self.preset:
            raise rule_error("no_arms", "at least one arm or a preset is needed", "arms")
        for name in ("seeds", "learning_rates"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise rule_error("repeated", "must not contain a value twice", name)
        _refuse(self._repeated_names())
        if self.baseline is not None and self.baseline not in self.arm_fields():
            raise rule_error("unknown_baseline", "must be the name of an arm", "baseline")
        _refuse(self._conflicting_learning_rates())
        n_runs = len(self.arm_fields()) * len(self.seeds) * max(1, len(self.learning_rates))
        if n_runs > MOST_RUNS:
            rule = f"arms, seeds and learning rates make {n_runs} runs; at most {MOST_RUNS} are allowed"
            raise rule_error("too_many_runs", rule, "arms", "seeds")
        _refuse(self._invalid_specs())
        return self

    def unwritten(self) -> dict[str, Any]:
        """Return what is left out of a text that must stay the same from release to release."""
        return {"base": self.base.unwritten(), "arms": unwritten_of(self.arms)}

    def arm_names(self) -> list[str]:
        """Return the names of the arms in order: those of the preset, then the others."""
        return list(self.arm_fields())

    def arm_fields(self) -> dict[str, dict[str, Any]]:
        """Return the fields of the spec that are set for each arm, by the arm's name."""
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
        for index, arm in enumerate(self.arms):
            if times[arm.name] > 1:
                yield error_line(("arms", index, "name"), "repeated", "is also the name of another arm")

    def _conflicting_learning_rates(self) -> Iterator[InitErrorDetails]:
        given: list[tuple[str | int, ...]]
        given = [("arms", index) for index, arm in enumerate(self.arms) if "learning_rate" in arm.overrides()]
        given += [("base",)] if "learning_rate" in self.base.model_fields_set else []
        for loc in given if self.learning_rates else []:
            rule = "conflicts with learning_rates; set only one of the two"
            yield error_line((*loc, "learning_rate"), "not_applicable", rule)

    def _invalid_specs(self) -> Iterator[InitErrorDetails]:
        """Yield the errors of all specs, located at the arm if the request has it, otherwise at the base."""
        locs = {arm.name: ("arms", index) for index, arm in enumerate(self.arms)}
        for name, fields in self.arm_fields().items():
            try:
                TrainSpec(**fields)
            except ValidationError as error:
                for line in error.errors(include_url=False):
                    loc = (*locs.get(name, ("base",)), *line["loc"])
                    yield error_line(loc, line["type"], line["msg"], line.get("ctx"))


def unwritten_of(arms: Sequence[Arm]) -> dict[int, set[str]]:
    """Return what is left out of the text of each arm, by its place."""
    return {place: arm.unwritten() for place, arm in enumerate(arms)}


def _refuse(lines: Iterator[InitErrorDetails]) -> None:
    """Raise a ValidationError if there are any lines."""
    found = list(lines)
    if found:
        raise ValidationError.from_exception_data("ComparisonSpec", found)
