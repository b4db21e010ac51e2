"""The description of the API, and /docs, which shows it without inline scripts or files of other hosts."""

from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.scopes import needs
from service.callers import READ

router = APIRouter(include_in_schema=False)

OURS = Path(__file__).parent / "static"


def _swagger() -> Path:
    package = find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise RuntimeError("fastapi-offline, which brings the files of Swagger UI, is not installed")
    return Path(package.origin).parent / "static"


FILES = {
    "docs.js": OURS / "docs.js",
    **{name: _swagger() / name for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")},
}


_making = Lock()


@router.get("/openapi.json")
@needs(READ)
def show_openapi(request: Request) -> Response:
    """Return the description of the API; the first request makes it, in a thread, which takes a second."""
    with _making:
        description = orjson.dumps(request.app.openapi())
    return with_etag(request, etag_of(description), description)


@router.get("/docs")
@needs(READ)
def show_docs() -> FileResponse:
    """Show the API with its examples, ready to try."""
    return FileResponse(OURS / "docs.html")


def _serve(name: str, path: Path) -> None:
    @needs(READ)
    def show_file() -> FileResponse:
        return FileResponse(path)

    router.add_api_route(f"/docs/{name}", show_file, methods=["GET"])


for _name, _path in FILES.items():
    _serve(_name, _path)
