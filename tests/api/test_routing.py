"""Prefix, HEAD, unknown paths and methods, on the real application."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from starlette.testclient import TestClient

from service.app import create_app
from service.errors import NormserveError
from service.settings import Settings
from tests.api.hostile_rows import UNKNOWN

PREFIX = "/nets/normserve"
OF_A_JOB = ("", "/metrics", "/metrics?format=csv", "/checkpoints", "/checkpoints/best", "/init-report")


@pytest.fixture
def behind_a_proxy(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=sqlite_url, data_dir=tmp_path, root_path=PREFIX)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.mark.parametrize("rest", OF_A_JOB)
def test_head_responds_as_get_does_without_a_body(
    trained: TestClient, job: dict[str, Any], rest: str
) -> None:
    got, head = (trained.request(method, f"/jobs/{job['id']}{rest}") for method in ("GET", "HEAD"))

    same = [
        {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        for answer in (got, head)
    ]
    assert (head.status_code, head.content) == (200, b"")
    assert same[0] == same[1]


def test_every_route_that_has_get_has_head(trained: TestClient) -> None:
    paths = [
        re.sub(r"\{\w+\}", UNKNOWN, str(route.path))
        for route in iter_route_contexts(trained.app.routes)  # type: ignore[attr-defined] # the app is ours
        if "GET" in (route.methods or ())
    ]
    statuses = {path: (trained.head(path).status_code, trained.get(path).status_code) for path in paths}

    assert len(paths) > 20
    assert {path: pair for path, pair in statuses.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "FETCH"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/jobs", "GET, HEAD, POST"),
        ("/jobs/{id}", "DELETE, GET, HEAD, PATCH"),
        ("/jobs/{id}/cancel", "POST"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
def test_an_unknown_method_gets_every_method_of_the_path(
    trained: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = trained.request(method, path, content=b"x" * 100_000)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("body", [b"", b"{}", b" { }\n".replace(b" }", b"}"), b"\xef\xbb\xbf{}"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_an_action_may_be_sent_an_empty_object(
    sqlite_client: TestClient, body: bytes, content_type: str
) -> None:
    job = sqlite_client.post("/jobs", json={}).json()

    answer = sqlite_client.post(
        f"/jobs/{job['id']}/cancel", content=body, headers={"content-type": content_type}
    )

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("kept", ["", PREFIX], ids=["removed", "kept"])
def test_links_have_the_prefix_whether_the_proxy_removes_it_or_not(
    behind_a_proxy: TestClient, kept: str
) -> None:
    created = behind_a_proxy.post(f"{kept}/jobs", json={})
    comparison = behind_a_proxy.post(f"{kept}/comparisons", json={"preset": "article", "seeds": 1})
    page = behind_a_proxy.get(f"{kept}/jobs", params={"limit": 1})

    here = f"{PREFIX}/jobs/{created.json()['id']}"
    assert created.headers["Location"] == created.json()["links"]["self"] == here
    assert comparison.headers["Location"] == comparison.json()["links"]["self"]
    assert comparison.headers["Location"].startswith(f"{PREFIX}/comparisons/cmp_")
    assert page.links["next"]["url"].startswith(f"{PREFIX}/jobs?limit=1&cursor=")
    assert behind_a_proxy.get(page.links["next"]["url"]).status_code == 200


def test_a_prefix_that_begins_like_a_path_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NormserveError, match="NORMSERVE_ROOT_PATH: /jobs/x begins like a path"):
        create_app(Settings(data_dir=tmp_path, root_path="/jobs/x"))


@pytest.mark.parametrize("prefix", ["nets", "/nets/", "/", "/a b", "//x", "/ä"])
def test_a_prefix_is_a_path_without_a_slash_at_its_end(prefix: str) -> None:
    with pytest.raises(ValidationError):
        Settings(root_path=prefix)


def test_the_pages_work_below_the_prefix(behind_a_proxy: TestClient) -> None:
    address = f"{PREFIX}/docs"
    page = behind_a_proxy.get(address).text
    urls = [urljoin(address, url) for url in re.findall(r'(?:src|href)="([^"]+)"', page)]

    assert [behind_a_proxy.get(url).status_code for url in urls] == [200] * 4
    assert behind_a_proxy.get(urljoin(address, "openapi.json")).json()["servers"] == [{"url": PREFIX}]


def test_a_report_repeats_itself_below_the_prefix(behind_a_proxy: TestClient) -> None:
    comparison = behind_a_proxy.post("/comparisons", json={"preset": "article", "seeds": 2}).json()

    report = behind_a_proxy.get(f"{PREFIX}/comparisons/{comparison['id']}/report.md").text

    assert f"http://testserver{PREFIX}/comparisons" in report
