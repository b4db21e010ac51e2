"""The report of a comparison, as Markdown or HTML."""

import json
import shlex
from base64 import b64encode
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.plots import ImageFormat, Theme
from service.api.comparisons import report_pages
from service.api.comparisons.examples import file_of_comparison
from service.api.comparisons.responses import ComparisonQuestion, GivenLearningRate, respond
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import shown_as
from service.api.shared.figures import FIGURE_TYPES
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.comparing.panels import draw_figures
from service.comparing.report import read_facts
from service.comparing.state import State
from service.errors import TooManyArms

router = APIRouter(tags=["comparisons"])

PageFormat = Literal["md", "html"]
PAGE_TYPES: dict[PageFormat, str] = {"md": "text/markdown", "html": "text/html"}
HEADERS = {"Content-Security-Policy": report_pages.POLICY}


@router.get(
    "/comparisons/{comparison_id}/report.md",
    response_class=Response,
    responses={**file_of_comparison("report.md", PAGE_TYPES["md"]), **problems(404, 503)},
)
@needs(READ)
async def get_report_md(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: GivenLearningRate = None
) -> Response:
    """Report on a comparison in Markdown: the question, the results, their figure and the conclusions."""
    return await _respond(request, parts, comparison_id, learning_rate, "md")


@router.get(
    "/comparisons/{comparison_id}/report.html",
    response_class=Response,
    responses={**file_of_comparison("report.html", PAGE_TYPES["html"]), **problems(404, 503)},
)
@needs(READ)
async def get_report_html(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: GivenLearningRate = None
) -> Response:
    """Report on a comparison as one HTML page with its figure, light or dark like the reader's screen."""
    return await _respond(request, parts, comparison_id, learning_rate, "html")


async def _respond(
    request: Request, parts: TheParts, comparison_id: str, rate: float | None, page_format: PageFormat
) -> Response:
    address = str(request.base_url)
    details, media_type = ("report", address, page_format), f"{PAGE_TYPES[page_format]}; charset=utf-8"
    headers = {**HEADERS, **shown_as(f"{comparison_id}-report.{page_format}")}
    question = ComparisonQuestion(comparison_id, rate, details, media_type, headers)

    def compute(session: Session, state: State) -> bytes:
        facts = read_facts(session, parts.database, state)
        facts["command"] = _command(facts["repeat"], address)
        if page_format == "md":
            return report_pages.markdown(facts, *_data_urls(session, state, "png", "light")).encode()
        return report_pages.html(facts, _data_urls(session, state, "svg", "light", "dark")).encode()

    return await respond(request, parts, question, compute)


def _data_urls(session: Session, state: State, image_format: ImageFormat, *themes: Theme) -> list[str]:
    """Draw the figure for each theme as a data URL; return none if there are too many arms."""
    try:
        figures = draw_figures(session, state, "ci95", image_format, themes)
    except TooManyArms:
        return []
    kind = FIGURE_TYPES[image_format]
    return [f"data:{kind};base64,{b64encode(image).decode()}" for image in figures]


def _command(repeat: dict[str, Any], address: str) -> str:
    body, url = shlex.quote(json.dumps(repeat)), shlex.quote(f"{address}comparisons")
    return f"curl -sS -H 'content-type: application/json' -d {body} {url}"
