"""A browser signs in with a key, keeps a session in a cookie that no script sees, and signs out."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from service.edge.auth import COOKIE
from service.store import clock, keys
from tests.api import work
from tests.api.conftest import serving
from tests.web.looks import faults
from tests.web.serving import Server

FORM = {"content-type": "application/x-www-form-urlencoded"}
BROWSER = {"accept": "text/html,application/xhtml+xml"}


def made(client: Any, *scopes: str) -> tuple[str, str]:
    with work.database(client).writing() as session:
        row, text = keys.create(session, "laptop", scopes, clock.now(session))
        return row.id, text


@pytest.fixture
def client(sqlite_url: str, tmp_path: Path) -> Iterator[Any]:
    with serving(sqlite_url, tmp_path, auth="keys") as client:
        yield client


def sign_in(client: Any, key: str, back: str = "/ui/jobs", **headers: str) -> Any:
    form = {"key": key, "next": back}
    return client.post("/ui/sign-in", data=form, headers=headers, follow_redirects=False)


@pytest.fixture(scope="module")
def guarded(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    with Server(
        f"sqlite:///{shutil.copy(migrated_sqlite, folder / 'normserve.db')}", folder, auth="keys"
    ) as server:
        yield server


def test_a_browser_signs_in_comes_back_and_signs_out(
    guarded: Server, page: Page, complaints: list[str]
) -> None:
    _, key = made(guarded, "read", "train")

    page.goto(f"{guarded.address}/ui/jobs?status=failed")
    expect(page).to_have_url(f"{guarded.address}/ui/sign-in?next=/ui/jobs%3Fstatus%3Dfailed")
    assert faults(page) == []
    page.get_by_label("API key").fill("normserve_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("not a valid key"))
    assert faults(page) == []
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{guarded.address}/ui/jobs?status=failed")
    expect(page.get_by_text("laptop")).to_be_visible()
    assert faults(page) == []
    assert page.evaluate("document.cookie") == ""
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{guarded.address}/ui/sign-in")
    assert page.context.cookies() == []
    page.goto(guarded.address)
    expect(page).to_have_url(f"{guarded.address}/ui/sign-in?next=/")
    # Chromium notes the page of a wrong key as an error.
    complaints[:] = [each for each in complaints if "401" not in each]


def test_a_session_does_what_its_key_may(client: Any) -> None:
    _, key = made(client, "read")

    response = sign_in(client, key, "/ui/compare")

    assert (response.status_code, response.headers["location"]) == (303, "/ui/compare")
    attributes = set(response.headers["set-cookie"].lower().split("; ")[1:])
    assert attributes == {"httponly", "max-age=43200", "path=/", "samesite=strict"}
    assert key not in response.headers["set-cookie"]
    assert client.get("/queue").status_code == 200
    refused = client.post("/ui/article", data={}, headers=BROWSER)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "This needs a key with the scope train." in refused.text
    assert client.post("/ui/article", data={}).json()["code"] == "insufficient-scope"
    assert client.post("/jobs", json={}).json()["code"] == "insufficient-scope"
    page = client.get("/ui/jobs").text
    assert "Sign out" in page
    assert "curl -sS -H &#34;Authorization: Bearer $KEY&#34; " in page


def test_the_cookie_is_secure_where_the_page_is(client: Any) -> None:
    client.base_url = "https://testserver"
    _, key = made(client, "read")

    assert "; secure" in sign_in(client, key).headers["set-cookie"].lower()


def test_the_end_of_a_key_and_signing_out_end_a_session(client: Any) -> None:
    key_id, key = made(client, "read")
    sign_in(client, key)
    token = client.cookies[COOKIE]
    client.post("/ui/sign-out", headers=FORM)
    client.cookies.clear()
    reread(client)
    after_signing_out = client.get("/queue", headers={"cookie": f"{COOKIE}={token}"}).status_code
    sign_in(client, key)
    signed_in = client.get("/queue").status_code
    with work.database(client).writing() as session:
        keys.revoke(session, key_id, clock.now(session))
    reread(client)

    assert (after_signing_out, signed_in, client.get("/queue").status_code) == (401, 200, 401)


def reread(client: Any) -> None:
    """Have the app read the keys, which time would do."""
    client.get("/queue", headers={"x-api-key": keys.written("0" * 32)})


@pytest.mark.parametrize(
    "back",
    [
        *["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "evil", ""],
        *["/a\r\nSet-Cookie: x=1", "/a b", "\\\\evil.example", "/\t/evil.example", " //evil.example"],
    ],
)
def test_nothing_leads_elsewhere_after_signing_in(client: Any, back: str) -> None:
    _, key = made(client, "read")

    shown = client.get("/ui/sign-in", params={"next": back}).text

    assert 'name="next" value="/ui/jobs"' in shown
    assert sign_in(client, key, back).headers["location"] == "/ui/jobs"


def test_what_a_page_of_another_origin_sends_has_no_session(client: Any) -> None:
    _, key = made(client, "admin")
    sign_in(client, key)
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}

    statuses = [
        client.post("/ui/article", data={}, headers=foreign).status_code,
        client.post("/ui/sign-out", headers={**FORM, **foreign}).status_code,
        sign_in(client, key, **foreign).status_code,
    ]

    assert statuses == [403, 403, 403]
    assert client.get("/queue").status_code == 200


def test_a_page_of_a_listed_origin_needs_a_key_of_its_own(sqlite_url: str, tmp_path: Path) -> None:
    lab = {"origin": "https://lab.testserver", "sec-fetch-site": "same-site"}
    with serving(sqlite_url, tmp_path, auth="keys", origins="https://lab.testserver") as client:
        _, key = made(client, "train")
        sign_in(client, key)

        with_session = client.post("/jobs", json={"steps": 0}, headers=lab)
        with_key = client.post("/jobs", json={"steps": 0}, headers={**lab, "x-api-key": key})

    assert (with_session.status_code, with_key.status_code) == (401, 422)
    assert with_session.headers["access-control-allow-origin"] == "https://lab.testserver"


def test_a_browser_without_a_session_is_led_to_the_form_and_other_clients_are_refused(client: Any) -> None:
    asked = client.get("/jobs/x/plot.svg?theme=dark", headers=BROWSER, follow_redirects=False)
    posted = client.post("/ui/jobs", data={}, headers=BROWSER, follow_redirects=False)

    assert (asked.status_code, posted.status_code) == (303, 303)
    assert asked.headers["location"] == "/ui/sign-in?next=/jobs/x/plot.svg%3Ftheme%3Ddark"
    assert posted.headers["location"] == "/ui/sign-in"
    assert asked.headers["cache-control"] == "no-store"
    assert client.get("/ui/jobs", follow_redirects=False).status_code == 401


def test_a_service_without_keys_asks_nobody_to_sign_in(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as client:
        response = client.get("/ui/sign-in?next=/ui/draw", follow_redirects=False)

        assert (response.status_code, response.headers["location"]) == (303, "/ui/draw")
        assert "Sign out" not in client.get("/ui/jobs").text


def test_links_and_the_cookie_stay_below_a_prefix(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, auth="keys", root_path="/norm") as client:
        _, key = made(client, "read")
        led = client.get("/norm/ui/jobs?sort=seed", headers=BROWSER, follow_redirects=False)
        form = {"key": key, "next": "/ui/jobs?sort=seed"}
        response = client.post("/norm/ui/sign-in", data=form, follow_redirects=False)

    assert led.headers["location"] == "/norm/ui/sign-in?next=/ui/jobs%3Fsort%3Dseed"
    assert response.headers["location"] == "/norm/ui/jobs?sort=seed"
    assert "path=/norm;" in response.headers["set-cookie"].lower()
