"""The API's page works offline, from its own files, under a strict policy."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient


class Page(HTMLParser):
    """What a page loads, and what stands in it that a policy would have to allow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.urls += [str(given[name]) for name in ("src", "href") if name in given]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []


@pytest.fixture(scope="module")
def page(trained: TestClient) -> Page:
    return Page(trained.get("/docs").text)


def test_the_page_loads_only_files_of_ours(page: Page, trained: TestClient) -> None:
    answers = {url: trained.get(urljoin("/docs", url)).status_code for url in page.urls}

    assert answers == {
        "docs/swagger-ui.css": 200,
        "docs/favicon.png": 200,
        "docs/swagger-ui-bundle.js": 200,
        "docs/docs.js": 200,
    }


def test_the_page_has_no_inline_script_or_style(page: Page) -> None:
    assert page.inline == []


def test_the_page_starts_with_our_description(trained: TestClient) -> None:
    script = trained.get("/docs/docs.js")

    assert script.headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
    assert 'url: new URL("openapi.json", document.baseURI).href' in script.text


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/docs.py", "/docs/../app.py", "/docs/%2e%2e/docs.py", "/docs/%00", "/redoc"]
)
def test_other_files_are_not_found(trained: TestClient, path: str) -> None:
    assert trained.get(path).status_code == 404


@pytest.mark.slow
def test_the_description_is_read_again_only_when_it_has_changed(trained: TestClient) -> None:
    first = trained.get("/openapi.json")

    again = trained.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
