"""The addresses that webhooks may be sent to: public ones, and those that the operator allows."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL = tuple(
    map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10"))
)
"""IPv6 addresses that Python takes for global ones: those that stand for IPv4 ones, which a gateway may
reach for us, and those of a site."""


def is_allowed(address: str, networks: Sequence[Network], with_public: bool = True) -> bool:
    """Return whether an address is in one of the networks or, `with_public`, public.

    An IPv4 address that is written as an IPv6 one (::ffff:10.0.0.1) is the IPv4 address.
    """
    found = _plain(ip_address(address))
    if any(found in network for network in networks):
        return True
    return with_public and is_public(found)


def is_public(address: Address) -> bool:
    """Return whether an address is one of a single host anywhere in the internet."""
    if isinstance(address, IPv6Address) and any(address in network for network in SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
