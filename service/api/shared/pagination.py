"""Pages of lists."""

from fastapi import Request
from fastapi.responses import Response


def link_next(request: Request, response: Response, cursor: str | None) -> Response:
    """Add the Link to the next page, if there is one."""
    if cursor:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return response
