"""The list of jobs, the form of a new one, and the first visit."""

import re

from playwright.sync_api import Page, expect

from models.specs.estimate import Speed
from models.specs.metrics import MetricRow
from service.store import clock, machines, workers
from tests.api import planted, work
from tests.web.looks import faults
from tests.web.payloads import PAYLOADS
from tests.web.serving import Server

FIRST = MetricRow(1, 2.5, 0.1, None, None, None, None, 0.25)


def texts(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def test_the_runs_of_a_comparison_are_one_line_that_unfolds(server: Server, page: Page) -> None:
    page.goto(f"{server.address}/ui/jobs")

    assert texts(page, ".line .name") == ["none or batch", "weight+init, seed 0"]
    expect(page.locator(".line").first).to_contain_text("1 failed")
    page.locator("summary", has_text="2 arms × 3 runs").click()
    expect(page.get_by_role("link", name="batch, seed 2, failed")).to_be_visible()
    assert faults(page) == []


def test_a_diverged_run_says_at_which_step(server: Server, page: Page) -> None:
    page.goto(f"{server.address}/ui/jobs")
    page.get_by_role("link", name="Failed").click()

    expect(page).to_have_url(f"{server.address}/ui/jobs?status=failed")
    assert texts(page, ".line .state") == ["NaN at step 60"]


def test_a_list_says_what_it_is_limited_to(empty: Server, page: Page) -> None:
    job = work.submitted(empty, norm="rms", tags={"who": "me & you"})
    work.submitted(empty, norm="rms")
    page.goto(f"{empty.address}/ui/jobs/{job['id']}")
    page.get_by_role("link", name="who: me & you").click()

    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator(".filters")).to_have_text("Only jobs with tag who: me & you. All jobs")
    expect(page.locator(".waits")).to_contain_text("No worker is running")


def test_a_job_is_submitted_by_keyboard_and_without_javascript(empty: Server, page: Page) -> None:
    page.route(re.compile(r"\.js$"), lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{empty.address}/ui/jobs")
    page.get_by_label("Learning rate").focus()

    page.keyboard.press("Control+A")
    page.keyboard.type("0.3")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_url("**/ui/jobs/job_*")
    [job] = empty.get("/jobs").json()["items"]
    assert (job["learning_rate"], job["scope"], job["steps"], job["tags"]) == (0.3, "hidden", 1000, {})


def test_what_is_wrong_is_shown_at_its_field_and_kept(
    empty: Server, page: Page, complaints: list[str]
) -> None:
    page.goto(f"{empty.address}/ui/jobs")
    page.get_by_label("Learning rate").fill("fast")
    page.locator("summary", has_text="Training").click()
    page.get_by_label("Batch size").fill("9999")
    page.get_by_label("Label").fill("x" * 81)

    page.get_by_role("button", name="Train").click()

    expect(page.locator(".field .wrong")).to_have_text(
        [
            "Learning rate must be a number.",
            re.compile("Label .* 80"),
            "Batch size must be less than or equal to 4096.",
        ]
    )
    expect(page.get_by_label("Learning rate")).to_have_value("fast")
    expect(page.get_by_label("Learning rate")).to_be_focused()
    expect(page.get_by_label("Batch size")).to_have_accessible_description(re.compile("less than or equal"))
    assert empty.get("/jobs").json()["items"] == []
    expect(page.get_by_label("Label")).to_have_value("x" * 81)
    assert complaints.pop().startswith("error: Failed to load resource")
    assert faults(page) == []


def test_the_list_is_live_beside_a_form_that_was_refused(
    empty: Server, page: Page, complaints: list[str]
) -> None:
    work.submitted(empty, label="first")
    page.goto(f"{empty.address}/ui/jobs")
    page.get_by_label("Learning rate").fill("fast")
    page.get_by_role("button", name="Train").click()
    expect(page.locator("#connection")).to_have_text("Live")

    work.submitted(empty, label="second")

    expect(page.locator(".line .name")).to_have_text(["second", "first"])
    expect(page.get_by_label("Learning rate")).to_have_value("fast")
    assert complaints.pop().startswith("error: Failed to load resource")


def test_several_seeds_make_a_comparison_of_one_arm(empty: Server) -> None:
    form = {"norm": "batch", "seed": "3", "seeds": "2", "label": "twice", "once": "0"}

    answers = [empty.post("/ui/jobs", data=form) for _ in range(2)]

    [found] = empty.get("/comparisons").json()["items"]
    place = f"/ui/compare?comparison={found['id']}"
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(303, place)] * 2
    assert (found["arms"], found["seeds"], found["label"]) == (["batch"], [3, 4], "twice")
    refused = empty.post("/ui/jobs", data={**form, "tags": "a:b"})
    assert (refused.status_code, "Tags must be empty if there are several seeds" in refused.text) == (
        422,
        True,
    )


def test_the_form_shows_what_a_job_would_cost_and_stores_nothing(empty: Server, page: Page) -> None:
    page.goto(f"{empty.address}/ui/jobs")
    page.get_by_label("Steps").fill("2000")

    page.get_by_role("button", name="Estimate").click()

    expect(page.locator("#cost")).to_contain_text("1 run of 101,770 parameters and 2,000 steps")
    expect(page.get_by_label("Steps")).to_have_value("2000")
    assert empty.get("/jobs").json()["items"] == []


def test_a_clone_has_the_spec_and_leaves_to_the_spec_what_it_chose(empty: Server, page: Page) -> None:
    job = work.submitted(empty, norm="weight", init=True, steps=70, tags={"who": "me"}, label="first")

    page.goto(f"{empty.address}/ui/jobs?clone={job['id']}")

    for label, value in {"Norm": "weight", "Steps": "70", "Scope": "", "Tags": "who:me"}.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
    expect(page.get_by_label("Init", exact=True)).to_be_checked()
    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/ui/jobs/job_*")
    ids = [each["id"] for each in empty.get("/jobs").json()["items"]]
    first, second = (empty.get(f"/jobs/{each}/spec").json() for each in ids)
    assert first == second


def test_lines_change_in_place_while_jobs_are_trained(empty: Server, page: Page) -> None:
    job = work.submitted(empty, steps=2)
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator("#connection")).to_have_text("Live")
    line = page.locator(".line").element_handle()

    attempt = work.claimed(empty, job["id"])
    expect(page.locator(".line .state")).to_have_text("running")
    work.record(empty, attempt, FIRST)

    expect(page.locator(".line progress")).to_have_attribute("value", "1")
    assert line.evaluate("(each) => each.isConnected")
    expect(page.locator("#news")).to_have_text("none, seed 0 running")


def test_a_new_line_waits_while_somebody_points_at_the_list(empty: Server, page: Page) -> None:
    work.submitted(empty, label="first")
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator("#connection")).to_have_text("Live")
    page.locator(".line").hover()

    with page.expect_response(re.compile("/ui/jobs$")):
        work.submitted(empty, label="second")
    assert texts(page, ".line .name") == ["first"]
    page.mouse.move(0, 0)

    expect(page.locator(".line .name")).to_have_text(["second", "first"])


def test_a_first_visitor_starts_the_articles_comparison_with_one_button(empty: Server, page: Page) -> None:
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator(".first")).to_contain_text(
        "It trains 40 small nets, each of the 5 arms with 8 seeds, for 1,000 steps, which takes"
    )
    expect(page.locator(".first")).to_contain_text("8 seeds are the fewest that can show a difference")
    with work.database(empty).writing() as session:
        speed = Speed(1e-5, 1e-10, 1e-10)
        machines.record(session, "this", "2.13", "AVX2", speed, clock.now(session))
        workers.record_workers(session, ["one", "two"], clock.now(session))
    page.reload()
    expect(page.locator(".first")).to_contain_text(
        re.compile("about [0-9]+ min on the 2 workers of this machine")
    )
    assert faults(page) == []

    page.get_by_role("button", name="Start the article's comparison").click()

    expect(page.locator(".line .name")).to_have_text(["The article's comparison"])
    [created] = empty.get("/comparisons").json()["items"]
    assert (created["preset"], created["seeds"], created["jobs"]) == ("article", [*range(8)], 40)
    page.get_by_text("The same with curl").click()
    same = page.locator(".command", has_text="Start the article's comparison").get_by_label("Command")
    expect(same).to_contain_text("""'{"preset": "article", "seeds": 8}'""")
    planted.end(empty, planted.waiting(empty, created)[0], 0.9)
    expect(page.locator(".line .done")).to_contain_text("1 of 40")


def test_the_first_page_becomes_a_list_when_a_job_arrives(empty: Server, page: Page) -> None:
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator("#connection")).to_have_text("Live")

    work.submitted(empty, label="from elsewhere")

    expect(page.locator(".line .name")).to_have_text(["from elsewhere"])


def test_scripts_in_labels_names_and_tags_are_text(empty: Server, page: Page) -> None:
    for payload in PAYLOADS:
        work.submitted(empty, label=payload, tags={"note": payload})
    arms = [{"name": payload} for payload in PAYLOADS]
    empty.post("/comparisons", json={"arms": arms, "seeds": 1, "label": PAYLOADS[0]})

    page.goto(f"{empty.address}/ui/jobs")

    assert texts(page, ".line .name") == [" ".join(each.split()) for each in [PAYLOADS[0], *PAYLOADS[::-1]]]
    page.locator("summary", has_text="12 arms").click()
    assert texts(page, ".arm .method") == [" ".join(each.split()) for each in PAYLOADS]
    [job] = empty.get("/jobs", params={"label": PAYLOADS[3]}).json()["items"]
    page.goto(f"{empty.address}/ui/jobs?clone={job['id']}")
    expect(page.get_by_label("Tags")).to_have_value(f"note:{PAYLOADS[3]}")


def test_equal_runs_name_their_comparison_and_an_ended_comparison_is_full(empty: Server) -> None:
    created = [planted.comparison(empty, lambda *_: None, seeds=1, label=label) for label in ("one", "two")]

    failed, ours, folded, compared = (
        empty.get(path).text
        for path in (
            "/ui/jobs?status=failed",
            f"/ui/jobs?comparison_id={created[1]['id']}",
            "/ui/jobs",
            "/ui/compare",
        )
    )

    assert [name in failed for name in ("none, seed 0 · one<", "none, seed 0 · two<")] == [True, True]
    assert "<strong>comparison two</strong>" in ours
    assert "seed 0 · two" not in ours
    assert [page.count('max="100" value="100') for page in (folded, compared)] == [2, 2]


def test_older_jobs_are_on_the_next_page(empty: Server) -> None:
    created = empty.post("/comparisons", json={"arms": [{"name": "none"}], "seeds": 101}).json()
    first = empty.get(f"/ui/jobs?comparison_id={created['id']}").text

    [query] = re.findall(r"/ui/jobs\?([^\"]*cursor=[^\"]+)", first)
    second = empty.get(f"/ui/jobs?{query.replace('&amp;', '&')}").text

    assert [text.count('class="line"') for text in (first, second)] == [100, 1]
