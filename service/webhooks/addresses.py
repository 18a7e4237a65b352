"""Addresses that webhooks may go to: public ones, and private ones that a setting names."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from service.settings import networks

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# what Python takes for public, or took in one of its versions, and is not a receiver's
_SPECIAL: tuple[Network, ...] = (
    ip_network("192.0.0.0/24"),
    ip_network("192.88.99.0/24"),
    # Azure's own services, on each of its virtual machines
    ip_network("168.63.129.16/32"),
    # of protocols, Teredo among them, and of documentation
    ip_network("2001::/23"),
    ip_network("3fff::/20"),
)
_GLOBAL_V6 = IPv6Network("2000::/3")
# by which hosts without IPv4 reach it
_NAT64 = IPv6Network("64:ff9b::/96")


class Reach:
    """Which addresses may be connected to."""

    def __init__(self, private: str = "") -> None:
        """`private`: addresses and networks beside the public ones, parted by commas.

        Raises SettingsError.
        """
        self._private = [ip_network(word) for word in networks("WEBHOOK_PRIVATE", private)]

    def covers(self, text: str) -> bool:
        """Whether an address, as the resolver tells it, may be connected to."""
        try:
            address = _meant(ip_address(text))
        except ValueError:
            return False
        return is_public(address) or any(address in network for network in self._private)


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody on the internet could be at."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _SPECIAL)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it stands for one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
