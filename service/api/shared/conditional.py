"""Conditional requests: an ETag with each response, and 304 to a client that has this version."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from service.comparing.state import RELEASE
from service.store.queries import JobVersion
from service.store.tables import ENDED, Job

REVALIDATE = "no-cache"
UNCHANGING = "private, max-age=3600, immutable"
"""In the client's own cache, for an hour only: the job can be deleted, and a new release may show more."""


def cache_of(job: Job | JobVersion) -> str:
    """Return the Cache-Control of what a job has stored: once the job has ended, nothing changes it."""
    return UNCHANGING if job.status in ENDED else REVALIDATE


def etag_of_history(job: Job | JobVersion, *details: object) -> str:
    """Make an ETag without reading a row; `details` are all that the content depends on besides the job."""
    return etag_of(repr((RELEASE, job.id, job.revision, *details)).encode())


def with_etag(
    request: Request,
    etag: str,
    content: Any,
    cache: str = REVALIDATE,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the content with its ETag, or 304 to a client that has it; all but bytes become JSON."""
    sent = {"ETag": etag, "Cache-Control": cache, **(headers or {})}
    if has_current(request, etag):
        return Response(status_code=304, headers=sent)
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, headers=sent, media_type=media_type)


def has_current(request: Request, etag: str) -> bool:
    """Return whether the client has this version, by its If-None-Match."""
    known = request.headers.get("if-none-match", "")
    return etag in {part.strip().removeprefix("W/") for part in known.split(",")}


def etag_of(body: bytes) -> str:
    """Make an ETag from the content itself."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
