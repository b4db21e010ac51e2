"""The page of the API in a browser: under its policy, each operation can be read and tried."""

from playwright.sync_api import Page, expect

from tests.web.serving import Server


def test_an_operation_is_shown_with_its_errors_and_can_be_tried(server: Server, page: Page) -> None:
    page.goto(f"{server.address}/docs")
    page.get_by_text("/version", exact=True).click()
    operation = page.locator("#operations-facts-get_version")

    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()

    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(operation.locator(".responses-wrapper")).to_contain_text("The service does not have this name")
