"""Which address a new replica gets.

An address belongs to one replica for as long as that replica exists, and is not given to another while
a container or the router still knows it: so the router can never send a request to the wrong release,
whatever order containers are stopped and started in. The lower half of the environment's subnet is for
replicas; the engine gives out the upper half to everything else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from tidegate.domain.observation import Observation

RESERVED = 2  # the network's own address and the gateway's


def free_addresses(network: str, used: Iterable[str]) -> Iterator[str]:
    """Free addresses of `network` (CIDR), beginning after the highest used one: reuse comes last."""
    subnet = ipaddress.ip_network(network)
    first = int(subnet.network_address)
    pool = range(first + RESERVED, first + subnet.num_addresses // 2)
    taken = {int(ipaddress.ip_address(address)) for address in used}
    start = max((number for number in taken if number in pool), default=pool[0] - 1) + 1 - pool[0]
    for offset in range(len(pool)):
        number = pool[(start + offset) % len(pool)]
        if number not in taken:
            yield str(ipaddress.ip_address(number))


def used_addresses(observed: Observation) -> frozenset[str]:
    """Addresses that a container holds or the router remembers."""
    held = {replica.address for replica in observed.replicas if replica.address}
    known = {server.address for entry in observed.traffic.routes for server in entry.servers}
    return frozenset(held | known)
