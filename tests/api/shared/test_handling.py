"""Which handlers are called without FastAPI."""

from typing import Annotated

import pytest
from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from service.api.shared.handling import is_direct
from service.app import create_app, operations
from service.settings import Settings


async def plain(request: Request, job_id: str, wanted: Annotated[int, Query()] = 1) -> Response: ...  # type: ignore[empty-body]


async def needs_a_query(request: Request, wanted: int) -> Response: ...  # type: ignore[empty-body]


async def reads_a_header(request: Request, wanted: Annotated[str, Header()] = "") -> Response: ...  # type: ignore[empty-body]


async def has_a_dependency(request: Request, more: Annotated[Request, Depends(plain)]) -> Response: ...  # type: ignore[empty-body]


async def has_a_rule(request: Request, job_id: Annotated[str, Path(max_length=3)]) -> Response: ...  # type: ignore[empty-body]


async def returns_a_model(request: Request) -> dict[str, str]: ...  # type: ignore[empty-body]


def waits(request: Request) -> Response: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("handler", "path", "direct"),
    [
        (plain, "/{job_id}", True),
        (needs_a_query, "/", False),
        (reads_a_header, "/", False),
        (has_a_dependency, "/{job_id}", False),
        (has_a_rule, "/{job_id}", False),
        (returns_a_model, "/", False),
        (waits, "/", False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_only_a_handler_that_needs_nothing_of_fastapi_is_called_without_it(
    handler: object, path: str, direct: bool
) -> None:
    assert is_direct(APIRoute(path, handler, response_model=None)) is direct  # type: ignore[arg-type]


def test_predictions_are_called_without_fastapi() -> None:
    app = create_app(Settings())

    direct = {each.path for each in operations(app) if getattr(each.handle, "direct", None)}

    assert direct >= {"/jobs/{job_id}/predict", "/models/{model_name}/predict", "/livez"}


def test_a_page_shows_an_error_of_its_query_as_a_page(sqlite_client: TestClient) -> None:
    shown = sqlite_client.get("/ui/jobs?frob=1", headers={"Accept": "text/html"})

    assert (shown.status_code, shown.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert "is not a known parameter" in shown.text
