"""/: where a visitor begins."""

from fastapi.responses import RedirectResponse

from service.links import link
from service.web.pages import page_router

router = page_router()


@router.get("/")
def lead_to_jobs() -> RedirectResponse:
    """Lead who opens the address of the service in a browser to its pages."""
    return RedirectResponse(link("/ui/jobs"), 303)
