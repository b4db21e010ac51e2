"""A newcomer with the keyboard alone, on an empty database: start, watch, read the verdict, draw a 7."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from models.data.digits import Digits
from tests.api import planted, work
from tests.process import Service
from tests.web.newcomer import ARMS, draw_a_seven, start
from tests.web.serving import Server

ACCURACY = {"none": 0.93, "weight": 0.934, "weight+init": 0.95, "batch": 0.948, "layer": 0.947}
LONGEST_MS = 1_200_000


def test_the_keyboard_alone_leads_from_an_empty_database_to_a_digit_of_five_arms(
    empty: Server, page: Page, digits: Digits
) -> None:
    start(page, empty.address)
    expect(page.locator(".headline")).to_have_text("No run has a result so far.")
    [created] = empty.get("/comparisons").json()["items"]
    jobs = planted.waiting(empty, created)
    assert len(jobs) == 40

    # The first seed is trained as it was asked for; the results of the others are planted.
    for job in (job for job in jobs if job["seed"] == 0):
        work.train(empty, digits, job["id"])
    expect(page.locator("#progress-1")).to_contain_text("5 of 40 runs have ended")
    expect(page.locator(".chart-lines .chart-line")).to_have_count(len(ARMS))
    for job in (job for job in jobs if job["seed"]):
        planted.end(empty, job, ACCURACY[job["arm"]] + job["seed"] / 10_000)

    expect(page.locator("#progress-1")).to_have_text("all runs have ended")
    expect(page.locator(".headline")).to_contain_text("Highest mean test accuracy: weight+init")
    expect(page.locator(".headline")).to_contain_text("is distinguishable from chance")
    draw_a_seven(page)


@pytest.fixture
def whole_service(tmp_path: Path, service_data: Path) -> Iterator[Service]:
    """A service with workers and an empty database of its own."""
    service = Service(tmp_path, service_data)
    service.start()
    yield service
    service.close()


@pytest.mark.long
def test_all_40_runs_of_a_real_service_end_in_a_verdict(whole_service: Service, page: Page) -> None:
    start(page, f"http://127.0.0.1:{whole_service.port}")
    expect(page.locator("#connection")).to_have_text("Live")

    expect(page.locator("#progress-1")).to_have_text("all runs have ended", timeout=LONGEST_MS)
    expect(page.locator(".headline")).to_contain_text("Highest mean test accuracy: weight+init")
    expect(page.locator(".headline")).to_contain_text("is distinguishable from chance")
    draw_a_seven(page)
