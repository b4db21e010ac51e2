"""The nets that a page predicts with: those of a comparison, or served names and jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Annotated, Any, NamedTuple

from fastapi import Query
from sqlalchemy.orm import Session

from models.specs.datasets import Dataset
from models.specs.spec import MAX_SEED
from service.api.predictions.schemas import MOST_MODELS, Model
from service.api.shared.query import WHOLE
from service.comparing.nets import Nets, choose_nets
from service.comparing.specs import method_of, with_defaults
from service.comparing.state import read_state
from service.comparing.words import counted
from service.serving.targets import is_job
from service.store import comparisons, jobs, queries, results, served_models
from service.store.queries import JobFilter
from service.store.results import RunRow
from service.store.tables import Job
from service.web.lines import failure_words, name_of_comparison, name_of_stored
from service.web.palette import css_name

MOST_OFFERED = 10

Models = Annotated[list[Model] | None, Query(max_length=MOST_MODELS)]


@dataclass(frozen=True)
class AskedNets:
    """The nets that a query asks for; nothing asks for the newest."""

    comparison: Annotated[str | None, Query()] = None
    model: Models = None
    job: Models = None
    seed: Annotated[int | None, Query(ge=0, le=MAX_SEED), WHOLE] = None

    def models(self) -> list[str]:
        """Return the names and the ids of jobs."""
        return [*(self.model or []), *(self.job or [])]


class NetChoice(NamedTuple):
    """A net of the page, before it predicts."""

    key: str
    """What the API calls it: an arm, a served name or the id of a job."""
    name: str
    look: str
    """Its method as it is in classes of the palette."""
    note: str


@dataclass(frozen=True)
class Chosen:
    """The nets that the page has."""

    title: str
    nets: Sequence[NetChoice]
    dataset: Dataset
    query: Sequence[tuple[str, str]]
    """What asks for these nets again."""
    comparison_id: str | None = None
    arms: Nets | None = None
    """Of a comparison, the runs that predict."""
    seeds: Sequence[int] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why an arm has no net, by the arm."""

    def keys(self) -> list[str]:
        """Return what the API calls the nets."""
        return [net.key for net in self.nets]

    def named(self, words: str) -> str:
        """Replace what the API calls the nets by their names."""
        return reduce(lambda named, net: named.replace(net.key, net.name), self.nets, words)


class Offer(NamedTuple):
    """Nets that a visitor may choose."""

    value: str
    words: str


@dataclass(frozen=True)
class Offers:
    """The newest of what a visitor may choose."""

    comparisons: Sequence[Offer]
    models: Sequence[Offer]


def choose(session: Session, asked: AskedNets) -> Chosen | None:
    """Return the nets that are asked for, by default those of a comparison, or of the newest job.

    That comparison is the newest of which every arm has a net, among the newest few; without one, the newest
    with any net. None if nothing has been trained. Raises ComparisonNotFound, JobNotFound, ModelNotFound, and
    ValidationFailed for a seed that the comparison does not have.
    """
    if asked.comparison is not None:
        return _of_comparison(session, asked.comparison, asked.seed)
    if asked.models():
        return _of_models(session, asked.models())
    newest = _newest(session, asked.seed)
    if newest is not None:
        return newest
    succeeded = _succeeded(session, 1)
    return _of_models(session, [succeeded[0].id]) if succeeded else None


def offers(session: Session) -> Offers:
    """Return the newest comparisons, and the newest served names and jobs."""
    names = served_models.list_page(session, MOST_OFFERED, None).items
    return Offers(
        [
            Offer(each.id, name_of_comparison(each))
            for each in comparisons.list_page(session, MOST_OFFERED, None)[0]
        ],
        [
            *(Offer(each.name, each.name) for each in names),
            *(Offer(each.id, name_of_stored(each)) for each in _succeeded(session, MOST_OFFERED)),
        ],
    )


def _succeeded(session: Session, limit: int) -> Sequence[Job]:
    return queries.list_jobs(session, JobFilter(status=["succeeded"]), "-created_at", limit, None).items


def _newest(session: Session, seed: int | None) -> Chosen | None:
    """Return the newest comparison of which every arm has a net, or else the newest with any.

    Not every comparison has the seed, if one is asked for: then it is the newest.
    """
    first = None
    for each in results.newest_with_checkpoint(session, MOST_OFFERED if seed is None else 1):
        chosen = _of_comparison(session, each.id, seed)
        if not chosen.missing:
            return chosen
        first = first or chosen
    return first


def _of_comparison(session: Session, comparison_id: str, seed: int | None) -> Chosen:
    state = read_state(session, comparison_id, None)
    arms = choose_nets(session, state, seed)
    specs = [with_defaults(arm) for arm in state.comparison.spec["arms"]]
    shown = [
        NetChoice(arm.arm, arm.arm, look, arm.missing.detail if arm.missing else "")
        for arm, look in zip(arms.arms, _looks(specs), strict=True)
    ]
    return Chosen(
        title=f"{name_of_comparison(state.comparison)}, seed {arms.seed}",
        nets=shown,
        dataset=specs[0]["dataset"],
        query=[("comparison", comparison_id), *([] if seed is None else [("seed", str(seed))])],
        comparison_id=comparison_id,
        arms=arms,
        seeds=state.comparison.spec["seeds"],
        missing={arm.arm: _why(arm.run) for arm in arms.arms if arm.missing},
    )


def _why(run: RunRow | None) -> str:
    """Return in plain words why a run has no net."""
    if run is None:
        return "none of its runs has a result yet"
    ended = {"failed": f"failed ({failure_words(run.failure)})", "cancelled": "was cancelled"}
    if run.status in ended:
        return f"its run {ended[run.status]} before it had a checkpoint"
    return {"queued": "its run waits for a worker"}.get(run.status, "its run has no checkpoint yet")


def _of_models(session: Session, models: Sequence[str]) -> Chosen:
    found = [_job_of(session, model) for model in models]
    looks = _looks([job.spec for job in found])
    return Chosen(
        title=counted(len(models), "model"),
        nets=[
            NetChoice(model, name_of_stored(job) if is_job(model) else model, look, "")
            for model, job, look in zip(models, found, looks, strict=True)
        ],
        dataset=found[0].spec["dataset"],
        query=[("model", model) for model in models],
    )


def _job_of(session: Session, model: str) -> Job:
    if is_job(model):
        return jobs.get(session, model)
    return served_models.find_served(session, model, None)[0]


def _looks(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the class of each net: every other one of a method has the second colour of the method."""
    methods = [method_of(with_defaults(spec)) for spec in specs]
    return [
        css_name(method) + ("-2" if methods[:place].count(method) % 2 else "")
        for place, method in enumerate(methods)
    ]
