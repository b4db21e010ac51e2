"""The names under which the api is served: loopback names and those of a setting, whatever the port."""

import asyncio
from typing import Any

import pytest

from service.edge.hosts import Hosts
from service.errors import Misdirected
from service.settings import Settings

LOOPBACK = [b"127.0.0.1", b"127.0.0.1:8000", b"localhost", b"LocalHost:1", b"[::1]", b"[::1]:65535"]
ADDRESSES = [b"192.168.0.7:8000", b"169.254.1.1", b"[fe80::1]:80"]
FOREIGN = [
    *[b"evil.example", b"evil.example:8000", b"127.0.0.1.evil.example", b"evil.example@127.0.0.1"],
    *[b"localhost.", b"xlocalhost", b"127.0.0.1:", b"127.0.0.1:x", b"127.0.0.1:8000:1", b"127.0.0.1:123456"],
    *[b"", b" ", b":8000", b"[::1", b"::1", b"evil/../x?y@z", b"127.0.0.1, evil", b"127.0.0.1\n", b"\xff"],
    *[b"127.1", b"0x7f.0.0.1", b"2130706433", b"[127.0.0.1]:x", b"[::1]evil"],
]


def serves(settings: Settings, *hosts: bytes) -> bool:
    """Return whether a request with these Hosts gets to the app."""
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    scope = {"type": "http", "headers": [(b"accept", b"*/*"), *((b"host", host) for host in hosts)]}
    served: Any = Hosts(app, settings.host_names, takes_addresses=settings.is_open)
    try:
        asyncio.run(served(scope, None, None))
    except Misdirected:
        return False
    return bool(seen)


OPEN = Settings(host="0.0.0.0", insecure_no_auth=True)  # noqa: S104 # what is open is tested here


@pytest.mark.parametrize("settings", [Settings(), OPEN], ids=["loopback", "open"])
def test_loopback_names_are_served_and_foreign_ones_are_not(settings: Settings) -> None:
    assert [host for host in LOOPBACK if not serves(settings, host)] == []
    assert [host for host in FOREIGN if serves(settings, host)] == []


def test_a_request_has_exactly_one_host() -> None:
    assert not serves(Settings())
    assert not serves(Settings(), b"127.0.0.1", b"evil.example")
    assert not serves(Settings(), b"127.0.0.1", b"127.0.0.1")


def test_other_addresses_are_served_only_beyond_loopback() -> None:
    assert [serves(Settings(), host) for host in ADDRESSES] == [False] * 3
    assert [serves(OPEN, host) for host in ADDRESSES] == [True] * 3


def test_names_of_the_setting_and_of_the_bind_are_served() -> None:
    named = Settings(hosts="Normserve.example.org, [fd00::1],api")
    bound = Settings(host="norm.internal", insecure_no_auth=True)

    assert serves(named, b"normserve.example.org:443")
    assert serves(named, b"api")
    assert serves(named, b"[fd00::1]")
    assert not serves(named, b"www.normserve.example.org")
    assert serves(bound, b"norm.internal:8000")
    assert serves(Settings(host="127.1.2.3"), b"127.1.2.3:8000")


def test_what_is_not_http_is_not_its_business() -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    served: Any = Hosts(app, ["localhost"])
    asyncio.run(served({"type": "lifespan"}, None, None))

    assert seen == ["lifespan"]
