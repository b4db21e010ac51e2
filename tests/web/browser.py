"""Chromium: the system's, or else the one that Playwright has installed.

Without a window, its headless shell takes a third of the time of a whole Chromium.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox, and containers have little shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]


def executable(playwright: Playwright) -> str | None:
    """The path of a Chromium on this machine; None if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), playwright.chromium.executable_path)
    return found if Path(found).exists() else None


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = executable(playwright)
        assert path, "there is no Chromium: run `make chromium`"
        yield playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


if __name__ == "__main__":
    with sync_playwright() as found:
        sys.exit(executable(found) is None)
