"""The form of a new job, what it means once it is sent, and the article's comparison."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from models.specs.comparison import MOST_RUNS
from models.specs.estimate import run_seconds
from models.specs.spec import TrainSpec
from service.api.comparisons.routes import create_comparison
from service.api.comparisons.schemas import ComparisonSubmission
from service.api.jobs.dry_runs import estimate_job
from service.api.jobs.routes import submit_job
from service.api.jobs.schemas import JobSubmission
from service.api.shared.dependencies import Parts
from service.comparing.specs import method_of
from service.store import clock, machines, workers
from service.web.drafts import NONCE, Draft, filled, key_of, refilled, validated, wrong
from service.web.forms import Field, fields_of, grouped, read_form

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
ARTICLE = ComparisonSubmission(preset="article")
ARTICLE_BODY = json.dumps({"preset": ARTICLE.preset, "seeds": len(ARTICLE.seeds)})
"""The article's comparison with a number of seeds that is fixed before anybody looks: a body of the API."""


def draft_of(spec: Mapping[str, Any]) -> Draft:
    """Return the form filled with a spec, and with defaults for what it lacks."""
    return filled(FORM, spec)


def estimate(session: Session, form: Mapping[str, str]) -> Draft:
    """Return the form with what the job would cost; raise ValidationFailed."""
    body, seeds = _read(form)
    job = validated(JobSubmission, body)
    spec = TrainSpec.model_construct(**{name: getattr(job, name) for name in TrainSpec.model_fields})
    return refilled(FORM, form, estimate=estimate_job(session, spec), runs=seeds)


def submit(parts: Parts, form: Mapping[str, str]) -> Response:
    """Submit what the form means as the API would: a job, or a comparison of one arm.

    Raises ValidationFailed for a wrong field, QueueFull, and whatever else the API refuses.
    """
    body, seeds = _read(form)
    job = validated(JobSubmission, body)
    key = key_of(form, {**body, "seeds": seeds})
    if seeds == 1:
        return submit_job(parts, job, False, key)
    comparison = validated(ComparisonSubmission, _as_comparison(job, body, seeds), _of_only_arm)
    return create_comparison(parts.database, parts.limits, comparison, key)


def article_plan(session: Session) -> dict[str, Any]:
    """Return what the article's comparison would train."""
    return plan_of(session, ARTICLE)


def plan_of(session: Session, comparison: ComparisonSubmission) -> dict[str, Any]:
    """Return what a comparison would train: its runs, and seconds where a worker is measured."""
    specs = [spec for _, spec in comparison.runs()]
    machine, n_workers = machines.newest(session), workers.present(session, clock.now(session))
    alone = machine and sum(run_seconds(spec, machines.speed_of(machine)) for spec in specs)
    seconds = alone and alone / max(1, n_workers)
    return {
        "n_arms": len(comparison.arm_fields()),
        "n_seeds": len(comparison.seeds),
        "n_rates": len(comparison.learning_rates),
        "n_runs": len(specs),
        "steps": specs[0].steps,
        "seconds": seconds,
        "workers": n_workers,
    }


def start_article(parts: Parts, nonce: str) -> Response:
    """Submit the article's comparison, once for each nonce."""
    return create_comparison(parts.database, parts.limits, ARTICLE, key_of({NONCE: nonce}, {}))


def _read(form: Mapping[str, str]) -> tuple[dict[str, Any], int]:
    """Return the body of a job that a form means, and the number of its seeds."""
    body = read_form(FIELDS.values(), form)
    seeds = body.pop(SEEDS.name, 1)
    if not isinstance(seeds, int) or not 1 <= seeds <= MOST_RUNS:
        raise wrong(SEEDS.name, f"must be an integer, {SEEDS.bounds}")
    return body, seeds


def _as_comparison(job: JobSubmission, body: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    if job.tags:
        raise wrong("tags", "must be empty if there are several seeds: a comparison has no tags")
    of_comparison = {name: body[name] for name in ("label", "priority") if name in body}
    spec = {name: body[name] for name in TrainSpec.model_fields if name in body and name != "seed"}
    arm = {"name": method_of(job.model_dump()), **spec}
    return {**of_comparison, "arms": [arm], "seeds": list(range(job.seed, job.seed + seeds))}


def _of_only_arm(pointer: str) -> str:
    return pointer.removeprefix("/arms/0")
