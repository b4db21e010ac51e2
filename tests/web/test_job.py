"""The page of a job: facts, curves, what init did, failures, cancel, clone, evaluation."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from models.data.digits import Digits
from models.specs.metrics import MetricRow
from service.store import jobs
from service.store.failures import describe_failure
from service.store.spans import SpanRecord, record_spans
from tests.api import work
from tests.store.rows import IDENTITY, T0
from tests.web.looks import faults
from tests.web.payloads import PAYLOADS
from tests.web.serving import BROWSER, Server

LENGTHS = [
    "Length of the gradient",
    "Mean length of the weights of a unit",
    "Mean of learning rate / (length of the weights)²",
]
DEAD = "Share of units that are always 0"


def row(step: int, **values: Any) -> MetricRow:
    return MetricRow(step, 1 / step, 0.5, None, None, None, None, step / 10)._replace(**values)


@pytest.fixture
def trained_job(server: Server) -> dict[str, Any]:
    """The trained job, with init and telemetry."""
    found: dict[str, Any] = server.get("/jobs?init=true&limit=1").json()["items"][0]
    return found


def test_a_job_shows_its_facts_curves_and_layers(
    server: Server, page: Page, trained_job: dict[str, Any]
) -> None:
    page.goto(f"{server.address}/ui/jobs/{trained_job['id']}")

    expect(page.get_by_role("heading", level=1)).to_have_text("weight+init, seed 0")
    expect(page.locator(".tiles")).to_contain_text(f"{trained_job['best']['test_accuracy']:.4f}")
    expect(page.locator("#curves .chart")).to_have_count(2)
    expect(page.locator(".histogram")).to_have_count(2)
    expect(page.locator("#telemetry .chart-title")).to_have_text([*LENGTHS, DEAD])
    expect(page.locator("#connection")).to_be_hidden()
    assert faults(page) == []


@pytest.mark.parametrize(
    ("net", "n_units", "titles"),
    [
        ("conv", 16, [*LENGTHS, DEAD]),
        ("lstm", 64, LENGTHS),
    ],
    ids=["conv", "lstm"],
)
def test_a_net_is_chosen_in_the_form_and_shown_with_all_its_layers(
    empty: Server, page: Page, digits: Digits, net: str, n_units: int, titles: list[str]
) -> None:
    page.goto(f"{empty.address}/ui/jobs")
    page.get_by_label("Steps", exact=True).fill("4")
    page.get_by_label("Norm", exact=True).select_option("batch")
    page.get_by_label("Init", exact=True).check()
    page.locator("summary", has_text="Net").click()
    page.get_by_label("Net", exact=True).select_option(net)
    page.locator("summary", has_text="Recording").click()
    page.get_by_label("Telemetry", exact=True).check()

    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/ui/jobs/job_*")
    [job] = empty.get("/jobs").json()["items"]
    work.train(empty, digits, job["id"])

    assert (job["net"], job["n_units"], job["norm"]) == (net, n_units, "batch")
    expect(page.locator("#curves .chart")).to_have_count(2)
    expect(page.locator(".histogram")).to_have_count({"conv": 3, "lstm": 2}[net])
    expect(page.locator("#telemetry .chart-title")).to_have_text(titles)
    assert faults(page) == []


def test_the_evaluation_loads_when_it_comes_into_view_and_is_a_page_too(
    server: Server, page: Page, trained_job: dict[str, Any]
) -> None:
    page.goto(f"{server.address}/ui/jobs/{trained_job['id']}")
    page.get_by_role("link", name="Evaluate the net").scroll_into_view_if_needed()
    table = page.get_by_role("table", name="Images by label")
    expect(table).to_be_visible()
    found = server.get(f"/jobs/{trained_job['id']}/evaluation").json()
    right = [str(found["confusion"][digit][digit]) for digit in range(10)]
    expect(table.locator(".right")).to_have_text(right)

    page.goto(f"{server.address}/ui/jobs/{trained_job['id']}/evaluation")

    expect(table.locator(".right")).to_have_text(right)
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert saved.value.suggested_filename == f"{trained_job['id']}-step1000-confusion.csv"
    page.get_by_text("Markdown to paste").click()
    head, _, first, *_ = page.get_by_label("Markdown to paste").input_value().splitlines()
    assert head == "|  | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | recall |"
    assert first.startswith(f"| 0 | {' | '.join(map(str, found['confusion'][0]))} |")
    page.wait_for_function("() => document.querySelector('.sheet .on-light').naturalWidth > 0")
    expect(page).to_have_title(re.compile("Evaluation of weight\\+init, seed 0"))
    assert faults(page) == []


def test_a_job_moves_while_it_is_trained_and_can_be_cancelled(empty: Server, page: Page) -> None:
    job = work.submitted(empty, steps=4, eval_every=2)
    page.goto(f"{empty.address}/ui/jobs/{job['id']}")
    expect(page.locator(".progress-card")).to_contain_text("place 1 in the queue")

    attempt = work.claimed(empty, job["id"])
    work.record(empty, attempt, row(1), row(2, test_accuracy=0.75, test_loss=1.0))

    expect(page.locator("#step")).to_have_text("2")
    expect(page.locator(".tiles")).to_contain_text("0.7500")
    expect(page.locator("#news")).to_have_text("The job is now: running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job .state")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Steps")).to_have_value("4")


def test_a_diverged_job_says_where_and_what_to_try(empty: Server, page: Page, digits: Digits) -> None:
    job = work.trained(empty, digits, n_hidden=3, learning_rate=30, steps=200)

    page.goto(f"{empty.address}/ui/jobs/{job['id']}")

    expect(page.locator("#job .state")).to_have_text(f"NaN at step {job['failure']['step']}")
    expect(page.locator(".failure")).to_contain_text(job["failure"]["layer"])
    expect(page.locator(".chart-canvas").first).to_contain_text("NaN at step")
    assert faults(page) == []
    page.get_by_role("link", name="Try the same with a learning rate of 3").click()
    expect(page.get_by_label("Learning rate")).to_have_value("3.0")


def test_a_failed_job_says_at_which_step_it_was_evaluated_and_shows_all_its_losses(
    empty: Server, page: Page
) -> None:
    job = work.submitted(empty, steps=5, eval_every=2, checkpoint_every=5)
    attempt = work.claimed(empty, job["id"])
    evaluated = row(2, test_accuracy=0.75, test_loss=1.0)
    work.record(empty, attempt, row(1), evaluated, row(3, train_loss=1e6), row(4, train_loss=float("nan")))
    with work.database(empty).writing() as session:
        failure = describe_failure("diverged", "planted", 4)
        jobs.finish_if_running(session, attempt.key, attempt.attempt, T0, failure=failure)

    page.goto(f"{empty.address}/ui/jobs/{job['id']}")

    expect(page.locator(".tiles .card").first).to_have_text("Test accuracy0.7500at step 2")
    log = page.get_by_label("Log scale for losses")
    expect(log).to_be_checked()
    log.uncheck()
    expect(page).to_have_url(re.compile("[?]log=0$"))
    page.reload()
    expect(log).not_to_be_checked()
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator(".line .accuracy")).to_have_text("0.7500 test accuracy at step 2")


def test_a_job_shows_the_fields_of_its_spec_that_have_an_effect(empty: Server) -> None:
    specs: list[dict[str, Any]] = [
        {},
        {"net": "conv", "norm": "group", "n_units": 8, "optimizer": "momentum"},
    ]
    pages = [empty.get(f"/ui/jobs/{work.submitted(empty, **spec)['id']}").text for spec in specs]

    dense, conv = ({*re.findall("<dt>([a-z_]+)</dt>", text)} for text in pages)

    only_conv = {"kernel_size", "stride", "groups", "momentum", "scope"}
    assert conv - dense == only_conv
    assert dense - conv == set()
    assert {"sequence", "g_init"}.isdisjoint(conv)
    assert {"net", "activation", "norm"} <= dense


def test_what_telemetry_measures_appears_while_a_job_is_trained(
    empty: Server, page: Page, digits: Digits
) -> None:
    job = work.submitted(empty, steps=1_000_000, eval_every=1, n_units=8, telemetry=True)
    page.goto(f"{empty.address}/ui/jobs/{job['id']}")
    expect(page.locator("#connection")).to_have_text("Live")

    work.train_a_span(empty, digits, job["id"])

    expect(page.locator("#telemetry .chart")).to_have_count(4)


def test_the_newest_job_has_an_address(empty: Server) -> None:
    assert empty.get("/ui/jobs/latest").headers["Location"] == "/ui/jobs"
    work.submitted(empty)
    newest = work.submitted(empty)

    assert empty.get("/ui/jobs/latest").headers["Location"] == f"/ui/jobs/{newest['id']}"


def test_a_page_loads_again_with_the_state_of_its_curves(server: Server, trained_job: dict[str, Any]) -> None:
    state = "x=seconds&smoothing=0.5&log=1&from=2&to=500"

    answer = server.get(f"/ui/jobs/{trained_job['id']}?{state}")

    assert answer.status_code == 200


def test_a_job_that_does_not_exist_is_an_error_page(empty: Server) -> None:
    answer = empty.get("/ui/jobs/job_0", headers=BROWSER)

    assert (answer.status_code, "No such job" in answer.text) == (404, True)


def test_scripts_in_what_a_client_wrote_are_text(empty: Server, page: Page) -> None:
    tags = {f"note{number}": payload for number, payload in enumerate(PAYLOADS)}
    job = work.submitted(empty, label=PAYLOADS[1], tags=tags, steps=3)
    attempt = work.claimed(empty, job["id"])
    with work.database(empty).writing() as session:
        record_spans(session, [SpanRecord(attempt.key, attempt.attempt, [row(1)], b"", [], 2, IDENTITY)], T0)
        failure = describe_failure("internal", " ".join(PAYLOADS), 1)
        jobs.finish_if_running(session, attempt.key, attempt.attempt, T0, failure=failure)

    page.goto(f"{empty.address}/ui/jobs/{job['id']}")

    expect(page).to_have_title(f"{PAYLOADS[1]} · normserve")
    expect(page.get_by_role("heading", level=1)).to_have_text(PAYLOADS[1])
    expect(page.locator(".tag")).to_have_text([f"{name}: {value}" for name, value in tags.items()])
    expect(page.locator(".failure")).to_contain_text(" ".join(PAYLOADS)[:190])
