"""Which subnet a new network gets. Pure.

The engine's own pools are exhausted at the 28th network, so subnets come from a pool of ours: its lower half
for environments, its upper half for releases. What overlaps anything known is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

ENVIRONMENT_PREFIX = 24
SMALLEST_RELEASE_PREFIX = 28
NOT_FOR_REPLICAS = 3  # a subnet's own address, its gateway's and its broadcast address


def environment_subnets(pool: IPv4Network) -> Iterator[IPv4Network]:
    """Subnets for environments, in order."""
    return next(pool.subnets()).subnets(new_prefix=max(ENVIRONMENT_PREFIX, pool.prefixlen + 1))


def release_subnets(pool: IPv4Network, replicas: int) -> Iterator[IPv4Network]:
    """Subnets for a release of so many replicas, in order; with room for each to be replaced beside itself."""
    room = (2 * replicas + NOT_FOR_REPLICAS - 1).bit_length()
    prefix = max(pool.prefixlen + 1, min(SMALLEST_RELEASE_PREFIX, 32 - room))
    return list(pool.subnets())[1].subnets(new_prefix=prefix)


def first_free(candidates: Iterable[IPv4Network], taken: Collection[IPv4Network]) -> IPv4Network | None:
    """The first candidate that overlaps nothing taken."""
    return next((c for c in candidates if not any(c.overlaps(other) for other in taken)), None)


def gateway(subnet: IPv4Network) -> IPv4Address:
    """The first address after the subnet's own: told to the engine, lest it picks one from the dynamic range."""
    return subnet.network_address + 1


def dynamic_range(subnet: IPv4Network) -> IPv4Network:
    """The upper half, from which the engine gives addresses out; the lower half is given out by the planner."""
    return list(subnet.subnets())[1]


def routes(table: str) -> Iterator[IPv4Network]:
    """Destinations in the kernel's route table (the text of `/proc/net/route`), less the default route."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        destination, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            yield IPv4Network((destination, mask.bit_count()), strict=False)
