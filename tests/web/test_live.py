"""The stream of a page: restart of the server, silence, and tabs that are hidden."""

from playwright.sync_api import Page, expect

from models.specs.metrics import MetricRow
from tests.api import work
from tests.web.serving import Server


def rows(*steps: int) -> list[MetricRow]:
    return [MetricRow(step, 1 / step, 0.5, None, None, None, None, step / 10) for step in steps]


def steps_drawn(page: Page) -> list[str]:
    """The steps of the first chart, as its table of data has them."""
    return page.locator(".chart-table").first.locator("tbody th").all_inner_texts()


def test_a_restart_of_the_server_is_shown_and_no_step_is_missing_or_drawn_twice(
    empty: Server, page: Page, complaints: list[str]
) -> None:
    job = work.submitted(empty, steps=9)
    attempt = work.claimed(empty, job["id"])
    work.record(empty, attempt, *rows(1, 2))
    page.goto(f"{empty.address}/ui/jobs/{job['id']}")
    page.get_by_text("Data as a table").first.click()
    connection = page.locator("#connection")
    expect(connection).to_have_text("Live")
    work.record(empty, attempt, *rows(3))
    expect(page.locator("#step")).to_have_text("3")

    empty.stop()
    expect(connection).to_have_text("Connection lost, trying again …")
    empty.serve()
    work.record(empty, attempt, *rows(4, 5))

    expect(connection).to_have_text("Live")
    expect(page.locator("#step")).to_have_text("5")
    work.record(empty, attempt, *rows(6))
    expect(page.locator("#step")).to_have_text("6")
    assert steps_drawn(page) == ["1", "2", "3", "4", "5", "6"]
    assert {complaint.partition(" net::")[0] for complaint in complaints} <= {
        "error: Failed to load resource:"
    }
    complaints.clear()


def test_a_stream_that_is_silent_is_opened_again(empty: Server, page: Page) -> None:
    job = work.submitted(empty)
    page.clock.install()
    page.goto(f"{empty.address}/ui/jobs/{job['id']}")
    expect(page.locator("#connection")).to_have_text("Live")

    with page.expect_request("**/events?after_step=0"):
        page.clock.run_for(16_000)
        page.clock.run_for(1_000)

    expect(page.locator("#connection")).to_have_text("Live")


def test_a_hidden_tab_gives_its_connection_back_after_30_seconds(empty: Server, page: Page) -> None:
    work.submitted(empty)
    page.clock.install()
    page.goto(f"{empty.address}/ui/jobs")
    expect(page.locator("#connection")).to_have_text("Live")
    streams = empty.app.state.parts.streams

    hide(page, hidden=True)
    page.clock.run_for(10_000)
    assert len(streams) == 1
    page.clock.run_for(21_000)

    expect(page.locator("#connection")).to_have_text("Paused while hidden")
    work.poll(lambda: len(streams) == 0)
    hide(page, hidden=False)
    expect(page.locator("#connection")).to_have_text("Live")


def hide(page: Page, hidden: bool) -> None:
    """Have the page believe that its tab is hidden: a headless browser hides none."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
