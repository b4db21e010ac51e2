"""/: where a visitor begins, and the comparison to begin with."""

from fastapi.responses import RedirectResponse

from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import TheParts
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.links import link
from service.web import submissions
from service.web.drafts import NONCE
from service.web.pages import FORM, TheForm, page_router

router = page_router()


@router.get("/")
@needs(READ)
def lead_to_jobs() -> RedirectResponse:
    """Lead who opens the address of the service in a browser to its pages."""
    return RedirectResponse(link("/ui/jobs"), 303)


@router.post("/ui/article")
@takes_bodies(FORM)
@needs(TRAIN)
def start_article(parts: TheParts, form: TheForm) -> RedirectResponse:
    """Start the article's comparison, and show it in the list of jobs."""
    submissions.start_article(parts, form.get(NONCE, ""))
    return RedirectResponse(link("/ui/jobs"), 303)
