"""/ui/jobs: the list of jobs."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from service.api.jobs.filters import WantedJobs
from service.api.jobs.views import view_summaries
from service.api.shared.dependencies import TheDatabase
from service.api.shared.parameters import Cursor
from service.store import queries
from service.web.pages import curl, page_router, render

router = page_router()

PAGE = 50
STATUSES = {
    "": "All",
    "queued": "Queued",
    "running": "Running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


@router.get("/ui/jobs")
def show_jobs(
    request: Request, database: TheDatabase, wanted: WantedJobs, cursor: Cursor = None
) -> HTMLResponse:
    """Show the jobs that a query wants, the newest first."""
    with database.reading() as session:
        page = queries.list_jobs(session, wanted, "-created_at", PAGE, cursor)
        shown = view_summaries(session, page.jobs)
    more = request.url.include_query_params(cursor=page.next_cursor).query if page.next_cursor else None
    path = f"/jobs?{request.url.query}" if request.url.query else "/jobs"
    commands = [curl(request, "List these jobs", path)]
    here = {"jobs": shown, "statuses": STATUSES, "wanted": wanted, "more": more}
    return render("jobs", here, "jobs", commands=commands)
