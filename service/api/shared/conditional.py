"""Conditional requests: an ETag with each response, and 304 to a client that has this version."""

import hashlib
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from service.store.tables import ENDED, Job

REVALIDATE = "no-cache"
UNCHANGING = "private, max-age=86400, immutable"
"""For a day, because the next release may show more; ids are never used again, so a copy is never wrong."""


def cache_of(job: Job) -> str:
    """Return the Cache-Control of what a job has stored: once it has ended, nothing changes it."""
    return UNCHANGING if job.status in ENDED else REVALIDATE


def with_etag(
    request: Request,
    etag: str,
    content: Any,
    cache: str = REVALIDATE,
    media_type: str = "application/json",
) -> Response:
    """Return the content with its ETag, or 304 to a client that has it; all but bytes become JSON."""
    headers = {"ETag": etag, "Cache-Control": cache}
    if has_current(request, etag):
        return Response(status_code=304, headers=headers)
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, headers=headers, media_type=media_type)


def has_current(request: Request, etag: str) -> bool:
    """Return whether the client has this version, by its If-None-Match."""
    known = request.headers.get("if-none-match", "")
    return etag in {part.strip().removeprefix("W/") for part in known.split(",")}


def etag_of(body: bytes) -> str:
    """Make an ETag from the content itself."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
