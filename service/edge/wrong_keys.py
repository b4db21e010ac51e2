"""How many wrong keys each address has sent lately, so that nobody tries many."""

import ipaddress
import time
from collections.abc import Callable

from service.edge.buckets import TokenBuckets
from service.errors import TooManyWrongKeys

AT_ONCE = 20
SECONDS_PER_KEY = 5.0
"""After so many at once, an address may send one wrong key per this time."""
IPV6_PREFIX = 64
"""One customer of a network has so many bits of an address, and may change the others."""


class WrongKeys:
    """A bucket per address, from which each wrong key takes a token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = TokenBuckets(AT_ONCE, SECONDS_PER_KEY, clock)

    def count(self, address: str) -> None:
        """Note a wrong key; raise TooManyWrongKeys instead if the address must wait before its next one."""
        if self._buckets.take(_network(address)):
            raise TooManyWrongKeys("this address has sent too many wrong keys; try again in a moment")

    def forgive(self, address: str) -> None:
        """Take back one that was counted and turned out to be right."""
        self._buckets.give_back(_network(address))


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a socket in the file system, or a client of a test
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
