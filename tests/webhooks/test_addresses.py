"""Addresses: only what is public may be reached, however it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import Settings, SettingsError
from service.webhooks.addresses import Reach, is_public
from service.webhooks.checks import check_webhooks

PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "64:ff9b:1::a00:1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
]
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a01:4f8::1"]
IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)


def embedded(address: IPv4Address) -> list[str]:
    """IPv6 addresses by which that one is reached somewhere."""
    low = int(address)
    return [
        str(IPv6Address((0xFFFF << 32) | low)),
        str(IPv6Address((0x0064FF9B << 96) | low)),
        str(IPv6Address((0x2002 << 112) | (low << 80) | 1)),
    ]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused(address: str) -> None:
    assert not Reach().covers(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_covered(address: str) -> None:
    assert Reach().covers(address)


@given(address=IPV4)
def test_an_ipv4_address_in_an_ipv6_one_is_as_public_as_itself(address: IPv4Address) -> None:
    told = [Reach().covers(one) for one in embedded(address)]
    assert told == [is_public(address)] * 3


@given(address=IPV4)
def test_what_python_takes_for_private_is_never_public(address: IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved:
        assert not is_public(address)


def test_a_setting_allows_private_networks_and_no_other() -> None:
    reach = Reach("10.0.0.0/8, ::1,192.168.7.1")
    for address in ("10.9.8.7", "::ffff:10.9.8.7", "64:ff9b::a09:807", "::1", "192.168.7.1"):
        assert reach.covers(address), address
    for address in ("11.0.0.1.2", "192.168.7.2", "127.0.0.1", "::2"):
        assert not reach.covers(address), address
    assert reach.covers("1.1.1.1")
    assert ip_address("1.1.1.1").is_global


@pytest.mark.parametrize(
    ("given_settings", "told"),
    [
        ({"webhook_private": "10.0.0.1/8"}, "WATTLEDGER_WEBHOOK_PRIVATE names '10.0.0.1/8'"),
        ({"webhook_private": "intranet"}, "WATTLEDGER_WEBHOOK_PRIVATE names 'intranet'"),
        ({"webhook_ca_file": "/nowhere"}, "WATTLEDGER_WEBHOOK_CA_FILE='/nowhere'"),
        ({"public_url": "ftp://x"}, "WATTLEDGER_PUBLIC_URL='ftp://x'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(given_settings: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        check_webhooks(Settings(**given_settings))  # pyright: ignore[reportArgumentType]
