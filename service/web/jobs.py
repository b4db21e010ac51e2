"""/ui/jobs: the list of jobs, the form of a new one, and what a first visitor sees."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from models.specs.facts import NORMS
from models.specs.nets import NETS
from models.specs.spec import LearningRate, TrainSpec
from service.api.jobs.filters import WantedJobs
from service.api.jobs.views import view_spec
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheDatabase, TheParts
from service.api.shared.parameters import Cursor
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.errors import ComparisonNotFound, NormserveError
from service.store import clock, comparisons, jobs, queries, workers
from service.store.queries import JobFilter
from service.web import submissions
from service.web.drafts import Draft, refilled
from service.web.lines import lines_of, name_of_comparison
from service.web.pages import FORM, Command, TheForm, curl, json_value, lead_to, page_router, render
from service.web.submissions import draft_of

router = page_router()

PAGE = 100
EVERY = JobFilter()
STATUSES = {
    "": "All",
    "running": "Running",
    "queued": "Queued",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
Cloned = Annotated[str | None, Query(max_length=40, description="The job whose spec the form has.")]
Rate = Annotated[LearningRate | None, Query(description="The learning rate of the form.")]


@router.get("/ui/jobs")
@needs(READ)
def show_jobs(
    request: Request,
    database: TheDatabase,
    wanted: WantedJobs,
    cursor: Cursor = None,
    clone: Cloned = None,
    learning_rate: Rate = None,
) -> Response:
    """Show the jobs that a query wants, the newest first, and the form of a new one."""
    changed = {} if learning_rate is None else {"learning_rate": learning_rate}
    with database.reading() as session:
        draft = draft_of({**(_cloned(session, clone) if clone else {}), **changed})
        return _page(request, session, wanted, draft, cursor, is_clone=clone is not None)


@router.post("/ui/jobs")
@takes_bodies(FORM)
@needs(TRAIN)
def submit_form(request: Request, parts: TheParts, form: TheForm) -> Response:
    """Submit the form, or show what it would cost; what is wrong is shown at its field."""
    try:
        if form.get("action") != "estimate":
            return lead_to(submissions.submit(parts, form))
        with parts.database.reading() as session:
            return _page(request, session, EVERY, submissions.estimate(session, form))
    except NormserveError as error:
        return _refused(request, parts, form, error)


def _refused(request: Request, parts: Parts, form: dict[str, str], error: NormserveError) -> Response:
    with parts.database.reading() as session:
        return _page(request, session, EVERY, refilled(submissions.FORM, form, error), status=error.status)


def _page(
    request: Request,
    session: Session,
    wanted: JobFilter,
    draft: Draft,
    cursor: str | None = None,
    status: int = 200,
    is_clone: bool = False,
) -> Response:
    page = queries.list_jobs(session, wanted, "-created_at", PAGE, cursor)
    is_whole_list = wanted == EVERY
    is_first_visit = is_whole_list and cursor is None and not page.items
    more = request.url.include_query_params(cursor=page.next_cursor).query if page.next_cursor else None
    context = {
        "lines": lines_of(session, page.items, folded=is_whole_list),
        "statuses": STATUSES,
        "wanted": wanted,
        "filters": list(_filters(session, wanted)),
        "more": more,
        "is_first_page": cursor is None,
        "is_refusal": status != 200,
        "waits": _waits(session),
        "plan": submissions.article_plan(session) if is_first_visit else None,
        "draft": draft,
        "is_clone": is_clone,
        "page_size": PAGE,
    }
    return render("jobs", context, "jobs", status, _commands(request))


def _filters(session: Session, wanted: JobFilter) -> Iterator[str]:
    """Yield the conditions of a list that have no control of their own."""
    for name in ("norm", "init", "seed", "label"):
        value = getattr(wanted, name)
        if value is not None:
            yield f"{name} {json_value(value)}"
    if wanted.comparison_id is not None:
        yield f"comparison {_name_of_comparison(session, wanted.comparison_id)}"
    yield from (f"tag {name}: {value}" for name, value in wanted.tags)


def _name_of_comparison(session: Session, comparison_id: str) -> str:
    """Return the name of a comparison, or its id if there is none."""
    try:
        return name_of_comparison(comparisons.get(session, comparison_id))
    except ComparisonNotFound:
        return comparison_id


def _waits(session: Session) -> bool:
    """Return whether jobs are queued and nobody trains them."""
    return queries.queue(session).queued > 0 and not workers.present(session, clock.now(session))


def _commands(request: Request) -> list[Command]:
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return [
        curl(request, "List these jobs", f"/jobs{query}"),
        curl(request, "Submit a job", "/jobs", '{"norm": "batch", "learning_rate": 0.3}'),
        curl(request, "See what it would cost", "/jobs?dry_run=true", '{"norm": "batch"}'),
        curl(request, "Start the article's comparison", "/comparisons", submissions.ARTICLE_BODY),
    ]


def _cloned(session: Session, job_id: str) -> dict[str, Any]:
    """Return what a job was asked for, without what its spec would choose anyway."""
    spec = view_spec(jobs.get(session, job_id))
    fields = TrainSpec.model_fields.items() if spec["norm"] in NORMS and spec["net"] in NETS else ()
    defaults = {
        name: field.get_default(call_default_factory=True, validated_data=spec) for name, field in fields
    }
    return {name: value for name, value in spec.items() if value != defaults.get(name, ...)}
