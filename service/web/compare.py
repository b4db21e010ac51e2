"""/ui/compare: the list of comparisons; one of them, or two side by side; and what can be done with one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.specs.comparison import MOST_RUNS
from models.specs.spec import MAX_SEED, LearningRate
from service.api.comparisons.routes import cancel_comparison, delete_comparison, extend_comparison
from service.api.comparisons.schemas import ComparisonDetails, ComparisonExtension
from service.api.comparisons.views import view_comparisons
from service.api.shared.bodies import takes_bodies
from service.api.shared.conditional import etag_of, has_current, with_etag
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.parameters import ComparisonId, Cursor
from service.api.shared.problems import InvalidBody
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.comparing.state import State, read_state
from service.edge.problems import field_errors
from service.errors import NormserveError
from service.links import link
from service.serving.pool import whole
from service.store import comparisons
from service.store.database import Database
from service.store.tables import Comparison
from service.web.assets import asset
from service.web.compared import LEVEL, Compared, forests_of, read_compared
from service.web.curve_state import CurveState, curve_state
from service.web.lines import name_of_comparison
from service.web.pages import FORM, HEADERS, Command, TheForm, curl, page_router, render
from service.web.submissions import ARTICLE_BODY

router = page_router()

PAGE = 50
Named = tuple[str, ComparisonDetails]
BACK = ("comparison", "with")
"""Fields of every form on the page: what it shows, to lead back there."""

Shown = Annotated[str | None, Query(alias="comparison", max_length=80, description="Id of a comparison.")]
Other = Annotated[str | None, Query(alias="with", max_length=80, description="Id of one to show beside it.")]


class MoreSeeds(BaseModel):
    """The form that adds seeds."""

    more: Annotated[int, Field(ge=1, le=MOST_RUNS)]
    after: Annotated[int, Field(ge=-1, le=MAX_SEED)]
    """The last seed that the page knew, so that a form sent twice adds the same seeds."""

    def extension(self) -> ComparisonExtension:
        """Return what the API takes."""
        first = self.after + 1
        return ComparisonExtension(seeds=list(range(first, first + self.more)))


@dataclass(frozen=True)
class Refused:
    """A form that was sent and refused: its comparison, what its field had, and what is wrong."""

    comparison_id: str
    more: str
    words: str
    status: int


@router.get("/ui/compare")
@needs(READ)
async def show_comparisons(
    request: Request,
    parts: TheParts,
    look: CurveState,
    shown: Shown = None,
    other: Other = None,
    learning_rate: LearningRate | None = None,
    cursor: Cursor = None,
) -> Response:
    """Show one comparison, or two side by side, or the list of all."""
    if shown is None:
        return await run_in_threadpool(_list, request, parts.database, cursor)
    ids = [shown] if other in (None, shown) else [shown, str(other)]
    return await unless_gone(request, _page(request, parts, ids, learning_rate, look))


@router.post("/ui/compare/{comparison_id}/extend")
@takes_bodies(FORM)
@needs(TRAIN)
async def extend(request: Request, parts: TheParts, comparison_id: ComparisonId, form: TheForm) -> Response:
    """Add as many seeds as the form says to a comparison; what is wrong is shown at the field."""
    try:
        extension = MoreSeeds.model_validate(form).extension()
        async with parts.writers.turn():
            await run_in_threadpool(extend_comparison, parts.database, parts.limits, comparison_id, extension)
    except (ValidationError, InvalidBody, NormserveError) as error:
        refused = _refused(comparison_id, form, error)
        ids = [*{"comparison": comparison_id, **_what_was_shown(form)}.values()]
        return await _page(request, parts, ids, None, await curve_state(), refused)
    return _lead_back(comparison_id, form)


@router.post("/ui/compare/{comparison_id}/cancel")
@takes_bodies(FORM)
@needs(TRAIN)
def cancel(parts: TheParts, comparison_id: ComparisonId, form: TheForm) -> Response:
    """Cancel the jobs of a comparison that have not ended."""
    cancel_comparison(parts.database, comparison_id)
    return _lead_back(comparison_id, form)


@router.post("/ui/compare/{comparison_id}/delete")
@needs(TRAIN)
def delete(parts: TheParts, comparison_id: ComparisonId) -> Response:
    """Delete a comparison that has ended, and show the list of the others."""
    delete_comparison(parts, comparison_id)
    return RedirectResponse(link("/ui/compare"), 303)


def _list(request: Request, database: Database, cursor: str | None) -> Response:
    with database.reading() as session:
        found, next_cursor = comparisons.list_page(session, PAGE, cursor)
        named = _named(session, found)
    context = {"comparisons": named, "next_cursor": next_cursor, "is_first": cursor is None}
    commands = [
        curl(request, "List comparisons", "/comparisons"),
        curl(request, "Start the article's comparison", "/comparisons", ARTICLE_BODY),
    ]
    return render("comparisons", context, "compare", commands=commands)


async def _page(
    request: Request,
    parts: Parts,
    ids: Sequence[str],
    rate: float | None,
    look: dict[str, Any],
    refused: Refused | None = None,
) -> Response:
    states, others = await run_in_threadpool(_states, parts.database, ids, rate)
    known = [*(state.version() for state in states), *((name, each.id) for name, each in others)]
    etag = etag_of(repr((known, request.url.query, asset("base.css"))).encode())
    if refused is None and has_current(request, etag):
        return with_etag(request, etag, b"", headers=HEADERS)
    read = partial(_read, parts.database, ids, rate)
    shown = await parts.analysis.run(whole(read), sum(state.steps for state in states))
    context = {
        "shown": [*zip(shown, forests_of(shown), strict=True)],
        "sources": [_source(each, named=len(shown) > 1) for each in shown],
        "others": others,
        "rate": rate,
        "rates": shown[0].details.learning_rates,
        "look": look,
        "level": LEVEL,
        "refused": refused,
    }
    status, commands = refused.status if refused else 200, _commands(request, shown[0], look)
    page = render("compare", context, "compare", status, commands)
    if refused is None:
        page.headers["ETag"] = etag
    return page


def _source(shown: Compared, named: bool) -> dict[str, Any]:
    """Return where the page's script finds the curves and the events of a comparison."""
    rate = shown.state.rate
    return {
        "url": link(f"/comparisons/{shown.id}"),
        "steps": shown.steps,
        "title": shown.name if named else "",
        "query": {} if rate is None else {"learning_rate": rate},
        "ended": shown.state.ended,
    }


def _states(database: Database, ids: Sequence[str], rate: float | None) -> tuple[list[State], list[Named]]:
    """Read the comparisons that are asked for, and the newest of the others."""
    with database.snapshot() as session:
        states = _read_states(session, ids, rate)
        newest = comparisons.list_page(session, PAGE, None).items
        others = _named(session, [each for each in newest if each.id not in ids])
    return states, others


def _named(session: Session, found: Sequence[Comparison]) -> list[Named]:
    return [*zip(map(name_of_comparison, found), view_comparisons(session, found), strict=True)]


def _read_states(session: Session, ids: Sequence[str], rate: float | None) -> list[State]:
    """Read the first at the learning rate, and each other at its best ones."""
    return [read_state(session, each, None if place else rate) for place, each in enumerate(ids)]


def _read(database: Database, ids: Sequence[str], rate: float | None) -> list[Compared]:
    with database.snapshot() as session:
        return [read_compared(session, database, state) for state in _read_states(session, ids, rate)]


def _refused(
    comparison_id: str, form: dict[str, str], error: ValidationError | InvalidBody | NormserveError
) -> Refused:
    if isinstance(error, NormserveError):
        words, status = error.detail, int(error.status)
    else:
        lines = error.errors(include_url=False) if isinstance(error, ValidationError) else error.errors
        words, status = "; ".join(dict.fromkeys(each.message for each in field_errors(lines))), 422
    return Refused(comparison_id, form.get("more", ""), words, status)


def _what_was_shown(form: dict[str, str]) -> dict[str, str]:
    return {name: form[name] for name in BACK if form.get(name)}


def _lead_back(comparison_id: str, form: dict[str, str]) -> Response:
    query = urlencode({"comparison": comparison_id, **_what_was_shown(form)})
    return RedirectResponse(f"{link('/ui/compare')}?{query}", 303)


def _commands(request: Request, shown: Compared, look: dict[str, Any]) -> list[Command]:
    here, rate = f"/comparisons/{shown.id}", shown.state.rate
    chosen = {} if rate is None else {"learning_rate": rate}
    query = f"?{urlencode(chosen)}" if chosen else ""
    more = list(range(shown.last_seed + 1, shown.last_seed + 1 + shown.more_seeds))
    return [
        curl(request, "The results: means, differences, intervals, sentences", f"{here}/summary{query}"),
        curl(
            request,
            "The curves",
            f"{here}/curves?{urlencode({**look, **chosen})}",
        ),
        curl(request, "The report", f"{here}/report.md{query}"),
        curl(request, "Train more seeds", f"{here}/extend", json.dumps({"seeds": more})),
        curl(request, "Start the same comparison", "/comparisons", json.dumps(shown.facts["repeat"])),
    ]
