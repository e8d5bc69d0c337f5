"""Which addresses a URL that a user wrote may lead to. Pure: names are resolved elsewhere, each answer is judged here.

The list of ranges is our own, after the IANA special-purpose registries: on Python releases still in use
`ipaddress.is_global` calls multicast, NAT64 and other transition ranges global.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier or cloud internal address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud platform address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a protocol assignment"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b:1::/48", "a local NAT64 address"),
        ("100::/64", "a discard address"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "a protocol assignment"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
"""Most telling first: the first network that holds an address names it."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is handed out for public use; whatever lies outside it is refused without being listed."""
_MAPPED, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_ISATAP = 0x5EFE
_LOCAL_OR_GLOBAL_BIT = 0x0200_0000

_NAME = re.compile(r"[a-z0-9_.-]{1,254}", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_NAMES_OF_THIS_SIDE = re.compile(
    r"(.+\.)?localhost|localhost\.localdomain|metadata(\.google\.internal)?|instance-data(\..+)?", re.IGNORECASE
)


def classify(address: Address, allow: Sequence[Network] = ()) -> str | None:
    """Why an address is not to be reached, as `a private address`, or `None` when it is public or allowed."""
    if permitted(address, allow):
        return None
    inner = _embedded(address)
    if inner is not None:
        return classify(inner)
    if reason := next((reason for network, reason in _SPECIAL if address in network), None):
        return reason
    return _unusual(address) if isinstance(address, IPv6Address) else None


def permitted(address: Address, allow: Sequence[Network]) -> bool:
    """Whether the operator named a network that holds this address, or the IPv4 address it stands for."""
    inner = _embedded(address)
    return any(address in network or (inner is not None and inner in network) for network in allow)


def refusal(address: Address, allow: Sequence[Network], *, tls: bool) -> str | None:
    """Why an address may not be connected to, as a clause for a person, or `None`. Without TLS only what is allowed may."""
    if reason := classify(address, allow):
        return f"{address} is {reason}"
    if not tls and not permitted(address, allow):
        return f"plain http is only allowed towards [egress] allow, and {address} is not in it"
    return None


def literal(host: str) -> Address | None:
    """The address that the host part of a URL spells, or `None` where it is a name.

    Raises:
        ValueError: neither. Numbers in another form than a.b.c.d are no names: resolvers read `0x7f.1` as 127.0.0.1.
    """
    if ":" in host:
        return ip_address(host)
    if not _NAME.fullmatch(host):
        raise ValueError("not a host name")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return IPv4Address(host)
    return None


def names_this_side(host: str) -> bool:
    """Whether a name means the machine that resolves it or its cloud's metadata service. For names we do not resolve."""
    return _NAMES_OF_THIS_SIDE.fullmatch(host.rstrip(".")) is not None


def _unusual(address: IPv6Address) -> str | None:
    if address not in _GLOBAL_UNICAST:
        return "not a public address"
    if (int(address) >> 32) & 0xFFFF_FFFF & ~_LOCAL_OR_GLOBAL_BIT == _ISATAP:
        return "an ISATAP address"
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address which an IPv6 one merely carries: mapped, or through the well-known NAT64 prefix."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
