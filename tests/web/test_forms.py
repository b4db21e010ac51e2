"""Forms that are made from a schema, and what a filled one means."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field as Facts

from models.specs.strict import StrictModel
from service.api.jobs.schemas import JobSubmission
from service.errors import FieldError
from service.web.forms import Field, errors_by_field, fields_of, grouped, read_form
from service.web.submissions import FIELDS, FORM, draft_of


class Spec(StrictModel):
    """A schema with a field of each kind."""

    norm: Literal["none", "batch"] = "none"
    """Which norm."""
    init: bool = False
    rate: Annotated[float, Facts(gt=0, le=1e6)] = 0.1
    steps: Annotated[int, Facts(ge=1, le=1_000_000)] = 1000
    seconds: Annotated[float, Facts(ge=0, lt=1)] | None = None
    label: Annotated[str, Facts(max_length=80)] | None = None
    tags: dict[str, str] = Facts(default_factory=dict)


SPEC = fields_of(Spec)


def test_a_field_has_its_bounds_choices_and_docs() -> None:
    assert SPEC["norm"] == Field("norm", "choice", "Which norm.", "none", "", ("none", "batch"))
    assert [(each.name, each.kind, each.bounds, each.max_length) for each in SPEC.values()] == [
        ("norm", "choice", "", None),
        ("init", "boolean", "", None),
        ("rate", "number", "more than 0, at most 1,000,000", None),
        ("steps", "integer", "1 to 1,000,000", None),
        ("seconds", "number", "at least 0, less than 1", None),
        ("label", "text", "", 80),
        ("tags", "pairs", "", None),
    ]


def test_a_choice_of_numbers_means_a_number() -> None:
    fields = fields_of(JobSubmission)

    assert read_form([fields["kernel_size"]], {"kernel_size": "3"}) == {"kernel_size": 3}
    assert read_form([fields["net"]], {"net": "conv"}) == {"net": "conv"}


def test_a_field_that_no_group_names_appears_in_the_last() -> None:
    groups = grouped(SPEC, {"First": ("rate", "norm"), "Second": ("steps",)}, "More")

    assert [(group.title, group.folded, [each.name for each in group.fields]) for group in groups] == [
        ("First", False, ["rate", "norm"]),
        ("Second", True, ["steps"]),
        ("More", True, ["init", "seconds", "label", "tags"]),
    ]


def test_the_form_of_a_job_has_every_field_of_the_spec_with_its_docs() -> None:
    shown = [each.name for group in FORM for each in group.fields]

    assert sorted(shown) == sorted([*JobSubmission.model_fields, "seeds"])
    assert [each.name for each in FIELDS.values() if not each.docs] == []


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ({}, {"init": False}),
        ({"init": "true", "norm": "batch"}, {"init": True, "norm": "batch"}),
        ({"rate": " 3e-1 ", "steps": "20"}, {"init": False, "rate": 0.3, "steps": 20}),
        ({"rate": "fast", "steps": "1.5"}, {"init": False, "rate": "fast", "steps": 1.5}),
        ({"label": "a:b", "seconds": ""}, {"init": False, "label": "a:b"}),
        ({"tags": "who: me\n\nurl:http://x"}, {"init": False, "tags": {"who": "me", "url": "http://x"}}),
    ],
    ids=["empty", "choices", "numbers", "no-numbers", "text", "pairs"],
)
def test_a_filled_form_means_a_body(form: dict[str, str], body: dict[str, Any]) -> None:
    assert read_form(SPEC.values(), form) == body


def test_the_form_as_it_is_first_shown_means_the_defaults() -> None:
    filled = {name: "" if value == "False" else value for name, value in draft_of({}).values.items()}

    body = read_form(FIELDS.values(), filled)

    assert body.pop("seeds") == 1
    assert JobSubmission.model_validate(body) == JobSubmission()


def test_errors_are_shown_at_their_fields() -> None:
    errors = [
        FieldError("/steps", "x", "is too low"),
        FieldError("/tags/who", "x", "is too long"),
        FieldError("/norm", "x", "norm must be another"),
        FieldError("/arms", "x", "are many"),
        FieldError("", "x", "is wrong"),
    ]

    of_fields, others = errors_by_field(errors, ["steps", "tags", "norm"])

    assert of_fields == {"steps": ["is too low"], "tags": ["is too long"], "norm": ["must be another"]}
    assert others == ["arms are many", "is wrong"]
