"""The form of a new job: as it is shown, and what it means once it is sent."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from models.specs.comparison import MOST_RUNS
from models.specs.estimate import run_seconds
from models.specs.spec import TrainSpec
from service.api.comparisons.routes import create_comparison
from service.api.comparisons.schemas import ComparisonSubmission
from service.api.jobs.dry_runs import estimate_job
from service.api.jobs.routes import submit_job
from service.api.jobs.schemas import JobEstimate, JobSubmission
from service.api.shared.dependencies import Parts
from service.comparing.specs import method_of
from service.edge.problems import field_errors, sentence
from service.errors import FieldError, NormserveError, ValidationFailed
from service.store import clock, machines, workers
from service.web.forms import Field, Group, errors_by_field, fields_of, grouped, read_form

GROUPS = {
    "Method": ("norm", "init", "learning_rate", "steps", "seeds", "label"),
    "Net": (
        *("net", "n_hidden", "n_units", "kernel_size", "stride", "sequence", "activation"),
        *("weight_std", "scope", "g_init", "groups", "dataset"),
    ),
    "Training": ("optimizer", "momentum", "weight_decay", "batch_size", "sampling", "seed"),
    "Recording": ("eval_every", "checkpoint_every", "keep_checkpoints", "telemetry", "max_seconds"),
}
SEEDS = Field(
    name="seeds",
    kind="integer",
    docs="Number of runs, each with the next seed. More than one makes a comparison of one arm.",
    default=1,
    bounds=f"1 to {MOST_RUNS:,}",
    minimum=1,
    maximum=MOST_RUNS,
)
FIELDS = {**fields_of(JobSubmission), SEEDS.name: SEEDS}
FORM = grouped(FIELDS, GROUPS, "More")
NONCE = "once"
ARTICLE = ComparisonSubmission(preset="article")
ARTICLE_BODY = json.dumps({"preset": ARTICLE.preset, "seeds": len(ARTICLE.seeds)})
"""The article's comparison with a number of seeds that is fixed before anybody looks: a body of the API."""
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Draft:
    """The form as it is shown: what its controls have, and what is wrong with them."""

    values: Mapping[str, str]
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """What is wrong and belongs to no field."""
    estimate: JobEstimate | None = None
    runs: int = 1
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    """With it, the same form sent twice creates one job."""
    groups: list[Group] = field(default_factory=lambda: FORM)

    def is_open(self, group: Group) -> bool:
        """Return whether a folded group is to be seen: where a value is not the default, or wrong."""
        return any(self._is_changed(each) or self.errors.get(each.name) for each in group.fields)

    def _is_changed(self, each: Field) -> bool:
        return self.values.get(each.name, "") != DEFAULTS[each.name]

    @property
    def first_wrong(self) -> str | None:
        """Return the name of the first field with an error."""
        return next((name for name, found in self.errors.items() if found), None)


DEFAULTS = {name: each.written(each.default) for name, each in FIELDS.items()}


def draft_of(spec: Mapping[str, Any]) -> Draft:
    """Return the form filled with a spec, and with defaults for what it lacks."""
    return Draft({name: each.written(spec.get(name, each.default)) for name, each in FIELDS.items()})


def refilled(form: Mapping[str, str], errors: NormserveError | None = None, **found: Any) -> Draft:
    """Return the form as it was sent, with what is wrong."""
    values = {
        name: str(bool(form.get(name))) if each.kind == "boolean" else form.get(name, "")
        for name, each in FIELDS.items()
    }
    of_fields, others = errors_by_field(errors.errors if errors else [], FIELDS)
    if errors is not None and not errors.errors:
        others.append(sentence(errors.detail))
    return Draft(values, of_fields, others, **found)


def estimate(session: Session, form: Mapping[str, str]) -> Draft:
    """Return the form with what the job would cost; raise ValidationFailed."""
    body, seeds = _read(form)
    job = _validated(JobSubmission, body)
    spec = TrainSpec.model_construct(**{name: getattr(job, name) for name in TrainSpec.model_fields})
    return refilled(form, estimate=estimate_job(session, spec), runs=seeds)


def submit(parts: Parts, form: Mapping[str, str]) -> Response:
    """Submit what the form means as the API would: a job, or a comparison of one arm.

    Raises ValidationFailed for a wrong field, QueueFull, and whatever else the API refuses.
    """
    body, seeds = _read(form)
    job = _validated(JobSubmission, body)
    key = _key(form, {**body, "seeds": seeds})
    if seeds == 1:
        return submit_job(parts, job, False, key)
    comparison = _validated(ComparisonSubmission, _as_comparison(job, body, seeds))
    return create_comparison(parts.database, parts.limits, comparison, key)


def article_plan(session: Session) -> dict[str, Any]:
    """Return what the article's comparison would be: its runs, and seconds where a worker is measured."""
    specs = [spec for _, spec in ARTICLE.runs()]
    machine, n_workers = machines.newest(session), workers.present(session, clock.now(session))
    alone = machine and sum(run_seconds(spec, machines.speed_of(machine)) for spec in specs)
    seconds = alone and alone / max(1, n_workers)
    return {
        "n_arms": len(ARTICLE.arm_fields()),
        "n_seeds": len(ARTICLE.seeds),
        "n_runs": len(specs),
        "steps": specs[0].steps,
        "seconds": seconds,
        "workers": n_workers,
    }


def start_article(parts: Parts, nonce: str) -> Response:
    """Submit the article's comparison, once for each nonce."""
    return create_comparison(parts.database, parts.limits, ARTICLE, _key({NONCE: nonce}, {}))


def _read(form: Mapping[str, str]) -> tuple[dict[str, Any], int]:
    """Return the body of a job that a form means, and the number of its seeds."""
    body = read_form(FIELDS.values(), form)
    seeds = body.pop(SEEDS.name, 1)
    if not isinstance(seeds, int) or not 1 <= seeds <= MOST_RUNS:
        raise _wrong(SEEDS.name, f"must be an integer, {SEEDS.bounds}")
    return body, seeds


def _as_comparison(job: JobSubmission, body: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    if job.tags:
        raise _wrong("tags", "must be empty if there are several seeds: a comparison has no tags")
    of_comparison = {name: body[name] for name in ("label", "priority") if name in body}
    spec = {name: body[name] for name in TrainSpec.model_fields if name in body and name != "seed"}
    arm = {"name": method_of(job.model_dump()), **spec}
    return {**of_comparison, "arms": [arm], "seeds": list(range(job.seed, job.seed + seeds))}


def _validated(schema: type[Body], body: Mapping[str, Any]) -> Body:
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        found = field_errors(error.errors(include_url=False))
        raise ValidationFailed("some values break a rule", [_of_form(each) for each in found]) from None


def _of_form(error: FieldError) -> FieldError:
    """Return an error of a comparison's only arm as one of the form."""
    return FieldError(error.pointer.removeprefix("/arms/0"), error.code, error.message)


def _wrong(name: str, rule: str) -> ValidationFailed:
    return ValidationFailed("some values break a rule", [FieldError(f"/{name}", "value_error", rule)])


def _key(form: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """Return an Idempotency-Key: another for another body, so that a form may be changed and sent again."""
    digest = hashlib.sha256(repr(sorted(body.items())).encode(errors="replace")).hexdigest()
    nonce = re.sub("[^0-9a-f]", "", form.get(NONCE, ""))[:32]
    return f"page-{nonce}-{digest}"
