"""/ui/compare/new: a form that compares norms of a visitor's choice."""

import json
from collections.abc import Mapping

from fastapi import Request, Response

from models.specs.facts import NORMS
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import TheParts
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.errors import NormserveError
from service.web import comparison_form
from service.web.comparison_form import FORM as FIELDS
from service.web.comparison_form import body_of
from service.web.drafts import Draft, refilled
from service.web.pages import FORM, TheForm, curl, lead_to, page_router, render

router = page_router()


@router.get("/ui/compare/new")
@needs(READ)
def show_form(request: Request) -> Response:
    """Show the form, with the article's arms."""
    draft = comparison_form.draft()
    given = {name: value for name, value in draft.values.items() if value != "False"}
    return _page(request, draft, given)


@router.post("/ui/compare/new")
@takes_bodies(FORM)
@needs(TRAIN)
def submit_comparison(request: Request, parts: TheParts, form: TheForm) -> Response:
    """Submit the form, or show what it would train; what is wrong is shown at its field."""
    try:
        if form.get("action") != "estimate":
            return lead_to(comparison_form.submit(parts, form))
        with parts.database.reading() as session:
            return _page(request, comparison_form.estimate(session, form), form)
    except NormserveError as error:
        return _page(request, refilled(FIELDS, form, error), form, error.status)


def _page(request: Request, draft: Draft, form: Mapping[str, str], status: int = 200) -> Response:
    commands = [curl(request, "Start this comparison", "/comparisons", json.dumps(body_of(form)))]
    return render("new_comparison", {"draft": draft, "norms": NORMS}, "compare", status, commands)
