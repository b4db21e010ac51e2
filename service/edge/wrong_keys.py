"""How many wrong keys each address has sent lately, so that nobody tries many."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from service.errors import TooManyWrongKeys

AT_ONCE = 20
SECONDS_PER_KEY = 5.0
"""After so many at once, an address may send one wrong key per this time."""
MOST_ADDRESSES = 10_000
IPV6_PREFIX = 64
"""One customer of a network has so many bits of an address, and may change the others."""


class WrongKeys:
    """A bucket per address, which each wrong key fills and time empties; the longest unused is forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_until: OrderedDict[str, float] = OrderedDict()

    def count(self, address: str) -> None:
        """Note a wrong key; raise TooManyWrongKeys instead if the address must wait before its next one."""
        network, now = _network(address), self._clock()
        start = self._full_until[network] = max(self._full_until.get(network, now), now)
        self._full_until.move_to_end(network)
        if len(self._full_until) > MOST_ADDRESSES:
            self._full_until.popitem(last=False)
        if start - now > (AT_ONCE - 1) * SECONDS_PER_KEY:
            raise TooManyWrongKeys("this address has sent too many wrong keys; try again in a moment")
        self._full_until[network] = start + SECONDS_PER_KEY

    def forgive(self, address: str) -> None:
        """Take back one that was counted and turned out to be right."""
        network = _network(address)
        if network in self._full_until:
            self._full_until[network] -= SECONDS_PER_KEY


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a socket in the file system, or a client of a test
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
