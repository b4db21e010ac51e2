"""Which addresses events may be sent to."""

from ipaddress import ip_network

import pytest

from service.webhooks.addresses import is_allowed

NETWORKS = [ip_network("10.1.0.0/16"), ip_network("fd00::/64")]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"),  # noqa: S104 # nothing binds
    *("169.254.169.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:1::1", "fec0::1", "ff02::1", "2001:db8::1"),
    # IPv4 addresses in IPv6 ones: mapped, compatible, of NAT64, Teredo and 6to4
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
    *("64:ff9b:1::a00:1", "2001::1", "2002:7f00:1::"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed_if_public_ones_are(address: str) -> None:
    assert [is_allowed(address, NETWORKS, with_public) for with_public in (True, False)] == [True, False]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_another_address_is_not_allowed(address: str) -> None:
    assert not is_allowed(address, NETWORKS)


@pytest.mark.parametrize("address", ["10.1.255.1", "::ffff:10.1.0.1", "fd00::7"])
@pytest.mark.parametrize("with_public", [True, False])
def test_an_address_in_a_network_is_allowed(address: str, with_public: bool) -> None:
    assert is_allowed(address, NETWORKS, with_public)
