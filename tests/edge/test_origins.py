"""What a browser sends for a page of another origin changes nothing; reads and other clients go through."""

import asyncio
from typing import Any

import pytest

from service.edge.origins import Origins
from service.errors import ForeignOrigin

OURS = "127.0.0.1:8000"


def passes(method: str, **headers: str) -> bool:
    """Return whether a request to our Host gets to the app."""

    async def app(*_: Any) -> None:
        return None

    named = {"host": OURS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    served: Any = Origins(app, listed=["https://lab.example.org"])
    try:
        asyncio.run(served({"type": "http", "method": method, "headers": pairs}, None, None))
    except ForeignOrigin:
        return False
    return True


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "cross-site", "origin": f"http://{OURS}"}, False),
        ({"sec_fetch_site": ""}, False),
        ({"origin": f"http://{OURS}"}, True),
        ({"origin": f"https://{OURS}"}, True),
        ({"origin": "http://127.0.0.1:1"}, False),
        ({"origin": "http://127.0.0.1"}, False),
        ({"origin": f"http://{OURS}.evil.example"}, False),
        ({"origin": f"http://evil@{OURS}"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://[evil"}, False),
        ({"origin": OURS}, False),
        ({"origin": "https://lab.example.org", "sec_fetch_site": "cross-site"}, True),
        ({"origin": "http://lab.example.org"}, False),
        ({"origin": "https://lab.example.org:443"}, False),
        ({"origin": "https://lab.example.org.evil.example"}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_only_pages_of_our_origin_change_things(method: str, headers: dict[str, str], is_ours: bool) -> None:
    assert passes(method, **headers) is is_ours


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_methods_that_change_nothing_pass(method: str) -> None:
    assert passes(method, sec_fetch_site="cross-site", origin="http://evil.example")
