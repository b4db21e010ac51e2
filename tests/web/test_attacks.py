"""A page of another origin in the same browser can neither read, nor frame, nor change anything.

The same without a browser is in tests/api/hostile_browsers.py; labels that are scripts are in the tests of
each page.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page

from tests.web.serving import Server

ATTACK = """async (victim) => {
  const blocked = (promise) => promise.then(() => "done", () => "blocked");
  const loaded = (name, attributes) => new Promise((done) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = () => done("done");
    element.onerror = () => done("blocked");
    document.body.append(element);
  });
  const body = '{"label": "stolen"}';
  const sent = await blocked(fetch(victim + "/jobs", { method: "POST", mode: "no-cors", body }));
  const read = await blocked(fetch(victim + "/jobs"));
  const typed = await blocked(fetch(victim + "/jobs", {
    method: "POST", body, headers: { "Content-Type": "application/json" },
  }));
  const script = await loaded("script", { src: victim + "/openapi.json" });
  const picture = await loaded("img", { src: victim + "/datasets/mnist/test/0?format=png" });
  document.body.insertAdjacentHTML("beforeend", `
    <iframe src="${victim}/ui/jobs"></iframe>
    <iframe name="hidden"></iframe>
    <form method="post" action="${victim}/ui/jobs" target="hidden"><input name="steps" value="1"></form>`);
  document.querySelector("form").submit();
  return [sent, read, typed, script, picture];
}"""


class Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html>")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def foreign() -> Iterator[str]:
    """The address of an empty page of another origin, which is really there: browsers ask where it is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_of_another_origin_gets_and_changes_nothing(
    empty: Server, foreign: str, page: Page, complaints: list[str]
) -> None:
    page.goto(foreign)

    with page.expect_response(lambda each: each.request.method == "POST" and "/ui/" in each.url) as form:
        done = page.evaluate(ATTACK, empty.address)
    page.wait_for_load_state("networkidle")

    assert done == ["blocked"] * 5
    assert form.value.status == 403
    assert [frame.url for frame in page.frames if frame.url.startswith(empty.address)] == []
    assert empty.get("/jobs").json()["items"] == []
    complaints.clear()  # the browser says what it has blocked
