"""Refusal of requests for names that are not ours, which DNS rebinding sends through a visitor's browser."""

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Misdirected

_HOST = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Hosts:
    """Serve only requests with one Host, which is one of some names, with any port.

    A page of a foreign name that resolves to this machine has, for a browser, our origin; the name in its
    Host gives it away. With `takes_addresses` any IP address is served too: it is not resolved, so the page
    of an address comes from that address.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], takes_addresses: bool = False) -> None:
        self.app, self.takes_addresses = app, takes_addresses
        self.names = frozenset(name.encode() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._serves(scope):
            raise Misdirected("the Host must be a loopback name, or a name that NORMSERVE_HOSTS lists")
        await self.app(scope, receive, send)

    def _serves(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            return False
        name = found[1].lower()
        return name in self.names or (self.takes_addresses and _is_address(name.decode().strip("[]")))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
