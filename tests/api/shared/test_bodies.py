"""A route declares the bodies that it takes; one that declares nothing takes JSON of the default size."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, Request
from starlette.testclient import TestClient

from service.api.shared.bodies import takes_bodies
from service.app import create_app
from service.settings import Settings
from tests.api.conftest import NAMED


async def count_items(items: Annotated[list[int], Body()]) -> int:
    return len(items)


@takes_bodies({"text/plain": "max_upload_bytes"})
async def count_bytes(request: Request) -> int:
    return len(await request.body())


@pytest.fixture
def app(sqlite_url: str, tmp_path: Path) -> Any:
    settings = Settings(
        database_url=sqlite_url, data_dir=tmp_path, max_json_bytes=1024, max_upload_bytes=2048, **NAMED
    )
    app = create_app(settings)
    app.post("/items")(count_items)
    app.put("/bytes/{name}")(count_bytes)
    return app


@pytest.mark.parametrize(
    ("method", "path", "media_type", "body", "status"),
    [
        ("POST", "/items", "application/json", b"[1, 2]", 200),
        ("POST", "/items", "application/json", b"[1]".ljust(1024), 200),
        ("POST", "/items", "application/json", b"[1]".ljust(1025), 413),
        ("POST", "/items", "text/plain", b"[1]", 415),
        ("PUT", "/bytes/a", "text/plain", bytes(2048), 200),
        ("PUT", "/bytes/a", "text/plain", bytes(2049), 413),
        ("PUT", "/bytes/a", "application/json", b"1", 415),
        ("PUT", "/items", "application/json", b"[1]", 405),
    ],
)
def test_a_new_route_takes_the_bodies_that_it_declares(
    app: Any, method: str, path: str, media_type: str, body: bytes, status: int
) -> None:
    with TestClient(app) as client:
        answer = client.request(method, path, content=body, headers={"content-type": media_type})

    assert answer.status_code == status
