"""The address that a user asks from, behind proxies that may or may not be believed. Pure.

Each proxy appends whom it heard from to X-Forwarded-For, so the list is true from the right for as long as the proxies
that wrote it are ours; what stands left of the first stranger, the stranger may have invented.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

# With a port: 192.0.2.1:443, [2001:db8::1]:443, and [2001:db8::1] without.
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")

# Who talks to us over something that has no address is on this machine.
_HERE = "127.0.0.1"


def networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks in CIDR form; an address alone is a network of one.

    Raises:
        ValueError: One of them is none; the message names it.
    """
    found: list[Network] = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ValueError(f"{item!r} is no network such as 10.0.0.0/8 or fd00::/8") from None
    return tuple(found)


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The user's address, IPv4 or IPv6.

    Args:
        peer: Who the connection is from.
        forwarded_for: The request's X-Forwarded-For headers, in order; believed only from trusted proxies.
        trusted: The networks of those.
    """
    address = _parsed(peer or "") or ip_address(_HERE)
    hops = [hop for header in forwarded_for for hop in header.split(",")]
    while hops and any(address in network for network in trusted):
        hop = _parsed(hops.pop())
        if hop is None:
            # A proxy of ours passed on what is no address: itself is the last that is known.
            break
        address = hop
    return str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match["v4"] or match["v6"]
    try:
        # A zone (fe80::1%eth0) means something on that machine alone.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # IPv4 on a socket for both.
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
