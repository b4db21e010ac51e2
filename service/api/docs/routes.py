"""/docs: the API with its examples, without files from other hosts and under a strict policy."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from service.api.shared.scopes import needs
from service.callers import READ

router = APIRouter(include_in_schema=False)

OURS = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _swagger() -> Path:
    package = find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise RuntimeError("fastapi-offline, which brings the files of Swagger UI, is not installed")
    return Path(package.origin).parent / "static"


FILES = {
    "docs.js": OURS / "docs.js",
    **{name: _swagger() / name for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")},
}


@router.get("/docs")
@needs(READ)
def show_docs() -> FileResponse:
    """Show the API with its examples, ready to try."""
    return FileResponse(OURS / "docs.html", headers=HEADERS)


def _serve(name: str, path: Path) -> None:
    @needs(READ)
    def show_file() -> FileResponse:
        return FileResponse(path, headers=HEADERS)

    router.add_api_route(f"/docs/{name}", show_file, methods=["GET"])


for _name, _path in FILES.items():
    _serve(_name, _path)
