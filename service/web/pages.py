"""Pages as HTML: the templates, what they all know, and the headers that all of them have."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from service import callers
from service.comparing.words import FILTERS
from service.edge.problems import sentence
from service.errors import FieldError, NormserveError
from service.links import link
from service.web.assets import asset
from service.web.forms import plain
from service.web.palette import css_name

HEADERS = {
    # With no-referrer, browsers would send forms with the origin null.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
FORM = {"application/x-www-form-urlencoded": "max_json_bytes"}
"""The body of a form, for takes_bodies."""
WITH_KEY = '-H "Authorization: Bearer $KEY" '
"""In commands for who has signed in; the page does not know the key."""
TABS = {"jobs": "Jobs", "compare": "Compare", "draw": "Draw"}


class Command(NamedTuple):
    """A command of curl, and what it does."""

    words: str
    text: str


async def posted_form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; of a repeated one, the last."""
    form = await request.form(max_files=0)
    return {name: value for name, value in form.items() if isinstance(value, str)}


TheForm = Annotated[dict[str, str], Depends(posted_form)]


def page_router() -> APIRouter:
    """Return a router for pages, which OpenAPI leaves out."""
    return APIRouter(include_in_schema=False)


def render(
    template: str,
    context: Mapping[str, Any],
    tab: str | None = None,
    status: int = 200,
    commands: Sequence[Command] = (),
) -> HTMLResponse:
    """Render a page: its tab in the top bar, and at its foot what does the same with curl."""
    known = {"tabs": TABS, "tab": tab, "commands": commands, "caller": callers.current()}
    page = _templates.get_template(f"{template}.html.jinja")
    return HTMLResponse(page.render({**known, **context}), status, HEADERS)


def lead_to(created: Response) -> Response:
    """Lead to the page of what was created, which the response of the API names."""
    here = created.headers["Location"].removeprefix(link(""))
    kind, _, created_id = here.strip("/").partition("/")
    page = f"/ui/jobs/{created_id}" if kind == "jobs" else f"/ui/compare?comparison={created_id}"
    return RedirectResponse(link(page), 303)


def show_error(error: NormserveError, request_id: str) -> Response:
    """Show an error as a page."""
    shown = {
        "title": error.title,
        "detail": sentence(error.detail),
        "errors": _worded(error.errors),
        "request_id": request_id,
    }
    page = render("problem", shown, status=error.status)
    page.headers.update(error.headers())
    return page


def _worded(errors: Sequence[FieldError]) -> list[str]:
    return [f"{error.pointer.strip('/')} {error.message}".strip() for error in errors]


def curl(request: Request, words: str, path: str, body: str | None = None) -> Command:
    """Write the command that asks for a path of the API, with a JSON body if it takes one."""
    sent = ["-H", "content-type: application/json", "-d", body] if body is not None else []
    command = shlex.join([*sent, f"{request.base_url}{path.lstrip('/')}"])
    return Command(words, f"curl -sS {WITH_KEY if callers.current().key_id else ''}{command}")


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a fraction as 95.4 %; an en dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Write seconds as 8 s, 3 min or 2 h 5 min; an en dash for None."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def json_value(value: object) -> str:
    """Write a value of a spec as the API has it, with numbers as they are read."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return plain(value)
    return value if isinstance(value, str) else json.dumps(value)


def size(n_bytes: int) -> str:
    """Write bytes as 815 kB or 1.2 MB."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


_templates = Environment(
    loader=PackageLoader("service.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {"asset": asset, "link": link}
_templates.filters |= {
    "css_name": css_name,
    "percent": percent,
    "duration": duration,
    "plain": plain,
    "size": size,
    **FILTERS,
    "sentence": sentence,
    "json_value": json_value,
}
