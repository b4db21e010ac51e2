"""The report of a comparison: one page with all that may be said of it, as Markdown or HTML."""

import json
import shlex
from base64 import b64encode
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.plots import ImageFormat, Theme, draw
from models.specs.spec import TrainSpec
from service.api import report_pages
from service.api.comparison_answers import Question, answer
from service.api.comparison_examples import file_answer
from service.api.comparison_results import State, runs_at
from service.api.comparison_view import ComparisonId, with_proof
from service.api.deps import TheParts
from service.api.figures import MEDIA_TYPES as IMAGE_TYPES
from service.api.figures import panels_of, title_of
from service.api.problems import problems
from service.api.summary import LearningRate, summary_of
from service.errors import TooManyArms
from service.store import comparisons, results
from service.store.database import Database

router = APIRouter(tags=["comparisons"])

Form = Literal["md", "html"]
MEDIA_TYPES: dict[Form, str] = {"md": "text/markdown", "html": "text/html"}
HEADERS = {"Content-Security-Policy": report_pages.POLICY, "X-Content-Type-Options": "nosniff"}
WITHOUT_EFFECT = {
    "seed",
    "eval_every",
    "checkpoint_every",
    "keep_checkpoints",
    "telemetry",
    "max_seconds",
}
"""Fields of a spec that change no figure of the last step, and the seed."""
OF_SOME = {"scope", "g_init", "groups", "momentum"}
"""Fields that not every norm or optimizer has: named only where they are not the default."""


@router.get(
    "/comparisons/{comparison_id}/report.md",
    response_class=Response,
    responses={**file_answer("report.md", MEDIA_TYPES["md"]), **problems(404, 503)},
)
async def get_report_md(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: LearningRate = None
) -> Response:
    """Report on a comparison in Markdown, its figure inside: what was asked, found, and may be concluded."""
    return await _answer(request, parts, comparison_id, learning_rate, "md")


@router.get(
    "/comparisons/{comparison_id}/report.html",
    response_class=Response,
    responses={**file_answer("report.html", MEDIA_TYPES["html"]), **problems(404, 503)},
)
async def get_report_html(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: LearningRate = None
) -> Response:
    """Report on a comparison as one HTML page, its figure inside, light or dark as the reader's screen."""
    return await _answer(request, parts, comparison_id, learning_rate, "html")


async def _answer(
    request: Request, parts: TheParts, comparison_id: str, rate: float | None, form: Form
) -> Response:
    address = str(request.base_url)
    details, media_type = ("report", address, form), f"{MEDIA_TYPES[form]}; charset=utf-8"
    question = Question(comparison_id, rate, details, media_type, HEADERS)

    def compute(session: Session, state: State) -> bytes:
        facts = _facts(session, parts.database, state, address)
        if form == "md":
            return report_pages.markdown(facts, *_embedded(session, state, "png", "light")).encode()
        return report_pages.html(facts, _embedded(session, state, "svg", "light", "dark")).encode()

    return await answer(request, parts, question, compute)


def _embedded(session: Session, state: State, image_format: ImageFormat, *themes: Theme) -> list[str]:
    """Draw the figure for each theme as a data URL; none where there are too many arms."""
    try:
        panels = panels_of(session, state, "ci95")
    except TooManyArms:
        return []
    drawn = [draw(panels, title_of(state), theme, image_format) for theme in themes]
    kind = IMAGE_TYPES[image_format]
    return [f"data:{kind};base64,{b64encode(image).decode()}" for image in drawn]


def _facts(session: Session, database: Database, state: State, address: str) -> dict[str, Any]:
    comparison = state.comparison
    runs = runs_at(results.runs(session, comparison), comparisons.arms_of(comparison), state.rate)
    # Another release may have stored specs with fewer fields.
    specs = {arm: {**TrainSpec().model_dump(), **found[0].spec} for arm, found in runs.items()}
    shown = with_proof(session, comparison)
    return {
        "title": title_of(state),
        "created_at": f"{shown.created_at:%Y-%m-%d}",
        "summary": summary_of(session, database, state),
        "specs": specs,
        **_fields(list(specs.values())),
        "n_runs": sum(map(len, runs.values())),
        "seeds": _listed(comparison.spec["seeds"]),
        "fairness": shown.fairness,
        "builds": [f"torch {torch} on {cpu}" for torch, cpu in results.builds(session, comparison)],
        "command": _command(comparison.spec, address),
    }


def _fields(specs: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell the fields in which these specs differ from those that they share."""
    names = [name for name in TrainSpec.model_fields if name not in WITHOUT_EFFECT]
    defaults = TrainSpec().model_dump()
    values = {name: [spec[name] for spec in specs] for name in names}
    differing = [name for name in names if any(value != values[name][0] for value in values[name])]
    shared = {
        name: found[0]
        for name, found in values.items()
        if name not in differing and (name not in OF_SOME or found[0] != defaults[name])
    }
    return {"differing": differing, "shared": shared}


def _listed(seeds: list[int]) -> str:
    first, last = seeds[0], seeds[-1]
    if len(seeds) > 2 and seeds == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, seeds))


def _command(spec: dict[str, Any], address: str) -> str:
    asked = {name: value for name, value in spec.items() if name not in ("preset", "base")}
    body, url = shlex.quote(json.dumps(asked)), shlex.quote(f"{address}comparisons")
    return f"curl -s -H 'content-type: application/json' -d {body} {url}"
