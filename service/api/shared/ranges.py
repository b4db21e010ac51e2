"""Parts of files: the single byte range that a client asks for."""

import re

from fastapi import Request
from fastapi.responses import Response

from service.errors import RangeNotSatisfiable

RANGES = {"Accept-Ranges": "bytes"}
"""The header of a file that clients may ask for in parts."""
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def part_of(request: Request, whole: Response) -> Response:
    """Return the part of a file that Range names, if the client means this version; else all of it.

    Raises RangeNotSatisfiable for a part outside the file.
    """
    etag, content = whole.headers.get("etag"), bytes(whole.body)
    part = _part(request.headers.get("range"), len(content)) if whole.status_code == 200 else None
    if part is None or request.headers.get("if-range", etag) != etag:
        return whole
    headers = {name: value for name, value in whole.headers.items() if name != "content-length"}
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(content)}"
    return Response(content[part.start : part.stop], 206, headers)


def _part(header: str | None, size: int) -> range | None:
    """Read a single byte range; None for any other header, which a server may ignore."""
    found = RANGE.fullmatch(header or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:
        part = range(max(0, size - int(last)), size)
    else:
        part = range(int(first), min(int(last) + 1 if last else size, size))
    if not part:
        raise RangeNotSatisfiable(f"the file has {size} bytes")
    return part
