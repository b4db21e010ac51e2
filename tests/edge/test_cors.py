"""Pages of listed origins read responses, errors too; pages of other origins read nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import serving

LAB = "https://lab.example.org"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-new"}


@pytest.fixture
def client(sqlite_url: str, tmp_path: Path) -> Iterator[Any]:
    with serving(sqlite_url, tmp_path, origins=LAB) as client:
        yield client


def of_cors(response: Any) -> dict[str, str]:
    return {name: text for name, text in response.headers.items() if name.startswith("access-control-")}


def test_a_listed_origin_may_ask_before_it_sends(client: Any) -> None:
    response = client.options("/jobs", headers={"origin": LAB, **PREFLIGHT})

    assert response.status_code == 200
    assert of_cors(response) == {
        "access-control-allow-origin": LAB,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization,x-new",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("path", ["/queue", "/nowhere", "/jobs/x"])
def test_a_listed_origin_reads_responses_and_errors_without_cookies(client: Any, path: str) -> None:
    response = client.get(path, headers={"origin": LAB})

    found = of_cors(response)
    assert found.pop("access-control-expose-headers").split(", ")[-1] == "X-Request-ID"
    assert found == {"access-control-allow-origin": LAB}
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", f"{LAB}:444", f"{LAB}.evil.example", "null", ""])
def test_other_origins_read_nothing(client: Any, origin: str) -> None:
    asked = client.options("/jobs", headers={"origin": origin, **PREFLIGHT})
    read = client.get("/queue", headers={"origin": origin})
    sent = client.post("/jobs", json={}, headers={"origin": origin})

    assert [of_cors(response) for response in (asked, read, sent)] == [{}] * 3
    assert [response.status_code for response in (asked, read, sent)] == [405, 200, 403]


def test_without_a_list_there_is_no_cors(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as client:
        response = client.options("/jobs", headers={"origin": LAB, **PREFLIGHT})

    assert (response.status_code, of_cors(response)) == (405, {})
