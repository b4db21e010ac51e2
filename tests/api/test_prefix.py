"""Behind a proxy that serves the API below a prefix, every path that the service names has the prefix."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.api import planted, work

pytestmark = pytest.mark.slow

PREFIX = "/norm/serve"
AN_ADDRESS = re.compile(r'"(/[a-z][^"{}]*)"')


@pytest.fixture(params=["", PREFIX], ids=["removed", "kept"])
def client(request: pytest.FixtureRequest, trained_file: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The API as a client of the proxy sees it, whether the proxy removes the prefix or not."""
    path = shutil.copy(trained_file, tmp_path / "copied.db")
    settings = Settings(database_url=f"sqlite:///{path}", data_dir=tmp_path, root_path=PREFIX)
    with TestClient(create_app(settings), base_url=f"http://testserver{request.param}") as client:
        yield client


def below(client: TestClient, address: str) -> Any:
    """Follow an address that the service has named."""
    assert address.startswith(f"{PREFIX}/")
    return client.get(address.removeprefix(PREFIX))


def addresses(answer: Any) -> list[str]:
    """The absolute paths in a JSON answer, apart from the types of problems."""
    return AN_ADDRESS.findall(json.dumps(answer.json()))


def test_a_created_job_is_where_its_location_says(client: TestClient) -> None:
    answer = client.post("/jobs", json={})

    assert below(client, answer.headers["Location"]).json()["id"] == answer.json()["id"]


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_changed_job_has_links(client: TestClient, method: str) -> None:
    job = client.post("/jobs", json={}).json()
    path = {"PATCH": f"/jobs/{job['id']}", "POST": f"/jobs/{job['id']}/cancel"}[method]

    answer = client.request(method, path, json={})

    assert answer.json()["links"]["self"] == f"{PREFIX}/jobs/{job['id']}"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs",
        "/jobs/{id}",
        "/jobs/{id}/checkpoints",
        "/jobs/{id}/checkpoints/latest",
        "/datasets/mnist/test/0",
    ],
)
def test_every_link_works(client: TestClient, path: str) -> None:
    job = client.get("/jobs").json()["items"][0]

    links = addresses(client.get(path.format(id=job["id"])))

    found = {below(client, link).status_code for link in links if not link.endswith(("/predict", "/cancel"))}
    assert (links != [], found) == (True, {200})


def test_the_links_of_a_comparison_work(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9)
    extended = client.post(f"/comparisons/{created['id']}/extend", json={"seeds": 5}).json()
    listed = client.get("/comparisons").json()["items"][0]

    assert extended["links"] == created["links"] == listed["links"]
    found = [
        below(client, link) for name, link in created["links"].items() if name not in {"cancel", "robustness"}
    ]
    assert {answer.status_code for answer in found} == {200}


def test_the_next_page_is_where_the_link_says(client: TestClient) -> None:
    work.submitted(client)
    answer = client.get("/jobs?limit=1")

    [found] = re.findall("<(.*)>", answer.headers["Link"])

    assert len(below(client, found).json()["items"]) == 1


def test_a_report_repeats_itself_through_the_proxy(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9)

    text = client.get(f"/comparisons/{created['id']}/report.md").text

    assert f"http://testserver{PREFIX}/comparisons" in text


def test_the_page_of_the_api_loads_its_files_below_the_prefix(client: TestClient) -> None:
    page = client.get("/docs")
    files = re.findall(r'(?:href|src)="([^"]+)"', page.text)

    found = [below(client, urljoin(f"{PREFIX}/docs", file)).status_code for file in [*files, "openapi.json"]]

    assert found == [200] * 5


def test_a_page_has_links_and_files_below_the_prefix(client: TestClient) -> None:
    page = client.get("/ui/jobs")
    files = set(re.findall(r'(?:href|src)="(/[^"]+/static/[^"]+)"', page.text))

    assert {file: below(client, file).status_code for file in files} == dict.fromkeys(files, 200)
    assert len(files) > 3
    assert f"http://testserver{PREFIX}/jobs" in page.text


def test_the_description_names_the_prefix(client: TestClient) -> None:
    described = client.get("/openapi.json").json()

    assert described["servers"] == [{"url": PREFIX}]
    files = re.findall(r'"externalValue": "([^"]+)"', json.dumps(described))
    assert {file.startswith(f"{PREFIX}/") for file in files} == {True}


def test_the_prefix_alone_leads_to_the_pages(client: TestClient) -> None:
    answer = client.get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}/ui/jobs")


@pytest.mark.parametrize("path", ["/nothing", f"{PREFIX}x/jobs", "/norm/jobs"])
def test_other_paths_are_not_found(client: TestClient, path: str) -> None:
    assert work.problem(client.get(path)) == (404, "not-found", [])


def test_the_inference_protocol_has_its_own_errors_below_the_prefix(client: TestClient) -> None:
    answer = client.get("/v2/models/nothing")

    assert (client.get("/v2").json()["name"], answer.status_code) == ("normserve", 404)
    assert list(answer.json()) == ["error"]


def test_bodies_have_their_limits_below_the_prefix(client: TestClient) -> None:
    answers = [
        client.post("/jobs", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/jobs", content=b"x"),
        client.post("/nothing", content=b"x"),
        client.put("/jobs", content=b"x"),
    ]

    assert [answer.status_code for answer in answers] == [400, 415, 404, 405]
