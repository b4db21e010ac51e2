"""/docs: the API with its examples, without inline scripts and without files from other hosts."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

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


@router.get("/docs")
def show_docs() -> FileResponse:
    """Show the API with its examples, ready to try."""
    return FileResponse(OURS / "docs.html")


def _serve(name: str, path: Path) -> None:
    router.add_api_route(f"/docs/{name}", lambda: FileResponse(path), methods=["GET"])


for _name, _path in FILES.items():
    _serve(_name, _path)
