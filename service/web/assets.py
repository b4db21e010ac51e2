"""The static files of the pages, below a path that changes with them."""

import hashlib
from functools import cache
from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from service.api.shared.scopes import needs
from service.callers import OPEN
from service.errors import PathNotFound
from service.links import link
from service.web.palette import palette_css, palette_js

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "static"
IMMUTABLE = "public, max-age=31536000, immutable"


def asset(name: str) -> str:
    """Return the path of a static file for a page; scripts import each other by their plain names."""
    if name not in _files():
        raise KeyError(f"there is no static file {name}")
    return link(f"/ui/static/{_version()}/{name}")


@router.get("/ui/static/{version}/{name}")
@needs(OPEN)
def get_asset(version: str, name: str) -> Response:
    """Return a static file of this version; all paths are others once any file changes."""
    content = _files().get(name)
    if content is None or version != _version():
        raise PathNotFound("no file of the pages has this name and version")
    return Response(content, headers={"Cache-Control": IMMUTABLE}, media_type=guess_type(name)[0])


@cache
def _files() -> dict[str, bytes]:
    made = {"palette.css": palette_css().encode(), "palette.js": palette_js().encode()}
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()} | made


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, content in sorted(_files().items()):
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
    return digest.hexdigest()[:16]
