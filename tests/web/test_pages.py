"""What all pages share: headers, theme, keyboard, errors, files; and what the fixtures notice."""

import re
import subprocess
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.api.shared import writers
from service.edge.safe_headers import PAGE_POLICY
from tests.api import work
from tests.web.looks import faults
from tests.web.serving import BROWSER, Server

PAGES = ["/ui/jobs", "/ui/jobs?status=failed"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(server: Server, page: Page, path: str) -> None:
    page.goto(server.address + path)

    assert faults(page) == []


def test_the_address_of_the_service_leads_to_the_jobs(server: Server, page: Page) -> None:
    page.goto(server.address)

    expect(page).to_have_url(f"{server.address}/ui/jobs")
    expect(page.get_by_role("link", name="Jobs")).to_have_attribute("aria-current", "page")


def test_the_theme_is_the_systems_until_one_is_chosen_and_stays(server: Server, page: Page) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto(f"{server.address}/ui/jobs")
    dark = page.evaluate(background)

    page.get_by_role("button", name="Light").click()
    chosen = page.evaluate(background)
    page.reload()

    assert (dark, chosen, page.evaluate(background)) == (
        "rgb(13, 17, 23)",
        "rgb(246, 248, 250)",
        "rgb(246, 248, 250)",
    )
    expect(page.get_by_role("button", name="Light")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Like the system").click()
    assert page.evaluate(background) == dark


def test_the_first_key_skips_to_the_content(server: Server, page: Page) -> None:
    page.goto(f"{server.address}/ui/jobs")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_three_keys_lead_to_the_form_without_javascript(server: Server, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{server.address}/ui/jobs")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the form")).to_be_in_viewport(ratio=1)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")

        expect(page.get_by_label("Norm", exact=True)).to_be_focused()


def test_a_page_shows_the_same_with_curl(server: Server, page: Page) -> None:
    page.goto(f"{server.address}/ui/jobs?status=failed")
    page.get_by_text("The same with curl").click()

    first = page.locator(".command").first
    expect(first.get_by_label("Command")).to_have_text(f"curl -sS '{server.address}/jobs?status=failed'")
    expect(first.get_by_role("button", name="Copy")).to_be_visible()


def test_the_commands_of_pages_work(empty: Server) -> None:
    job = work.submitted(empty)
    empty.post(f"/jobs/{job['id']}/cancel")
    pages = [empty.get(path).text for path in ("/ui/jobs", f"/ui/jobs/{job['id']}")]
    commands = [unescape(each) for text in pages for each in re.findall(r'label="Command">([^<]+)<', text)]

    done = [subprocess.run(["bash", "-c", each], capture_output=True, check=True) for each in commands]

    assert len(commands) == 8
    assert [each.stdout for each in done if b'"/problems/' in each.stdout] == []


def test_an_error_is_a_page(server: Server, page: Page, complaints: list[str]) -> None:
    page.goto(f"{server.address}/ui/jobs?status=lost")

    expect(page.get_by_role("heading", name="The request breaks a rule")).to_be_visible()
    expect(page.get_by_role("listitem")).to_contain_text("status/0 must be")
    assert complaints.pop().startswith("error: Failed to load resource")


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED: dict[str, tuple[str, str, dict[str, str], int]] = {
    "another host": ("GET", "/ui/jobs", {"Host": "foreign.invalid"}, 421),
    "another origin": ("POST", "/ui/article", {**FORM, "Sec-Fetch-Site": "cross-site"}, 403),
    "another type": ("POST", "/ui/article", {"Content-Type": "text/plain"}, 415),
    "no such page": ("GET", "/ui/nothing", {}, 404),
    "too large": ("POST", "/ui/draw", {"Content-Type": "multipart/form-data; boundary=b"}, 413),
    "too many wait": ("POST", "/ui/article", FORM, 503),
}


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_a_page_for_browsers_and_a_problem_for_others(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    monkeypatch.setattr(writers, "MOST_WAITING", 0)
    size = server.settings.max_upload_bytes + 1 if status == 413 else 1

    def ask(**accept: str) -> httpx.Response:
        content = bytes(size) if method == "POST" else None
        return server.request(method, path, headers={**headers, **accept}, content=content)

    page, problem = ask(**BROWSER), ask()

    assert (page.status_code, problem.status_code) == (status, status)
    assert f"<h1>{problem.json()['title']}</h1>" in page.text
    assert page.headers["Content-Security-Policy"] == PAGE_POLICY
    assert page.headers.get("Retry-After") == problem.headers.get("Retry-After")


def test_the_tests_notice_what_goes_wrong(server: Server, page: Page, complaints: list[str]) -> None:
    page.goto(f"{server.address}/ui/jobs")
    page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'inline'";
          document.head.append(script);
          await fetch("http://foreign.invalid/").catch(() => {});
          setTimeout(() => nothing(), 0);
          await new Promise((done) => setTimeout(done, 50));
        }"""
    )

    found = "\n".join(complaints)
    complaints.clear()
    assert page.title() == "Jobs · normserve"
    assert re.search("Content Security Policy", found)
    assert re.search("nothing is not defined", found)


def test_files_of_pages_may_be_kept_forever_and_have_another_path_once_they_change(server: Server) -> None:
    text = server.get("/ui/jobs").text
    paths = re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', text)

    answers = [server.get(path) for path in paths]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=31536000, immutable"}
    assert {path.split("/")[-1] for path in paths} >= {"base.css", "palette.css", "theme.js", "icon.svg"}
    assert server.get(f"/ui/static/{'0' * 16}/base.css").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 201),
        ({"Origin": "{address}"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{address}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    empty: Server, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(address=empty.address) for name, value in headers.items()}

    answer = empty.post("/jobs", json={}, headers=sent)

    assert answer.status_code == status
    assert len(empty.get("/jobs", headers=sent).json()["items"]) == (status == 201)
