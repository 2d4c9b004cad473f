"""Networks: one an environment, in which addresses are ours to give; one a release, in which its names resolve.

An app container bears no alias in the environment's network, so that a service name never resolves to another
release's container; accessories bear theirs there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from tidegate.adapters.targets.docker import labels, subnets
from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.failures import mapped
from tidegate.domain.names import EnvironmentName, release_network
from tidegate.domain.release import Release
from tidegate.errors import NameTaken, NoSubnet

ATTEMPTS = 4  # others may take a subnet between looking and making
ROUTES = Path("/proc/net/route")


class Networks:
    """Makes, finds and removes networks. Safe for threads: they are made one at a time."""

    def __init__(self, connection: Connection, pool: IPv4Network) -> None:
        self._connection = connection
        self._pool = pool
        self._making = threading.Lock()

    def ensure_environment(self, environment: EnvironmentName) -> None:
        """Make the environment's network. Raises `NameTaken`, `NoSubnet`."""
        self._ensure(
            environment.slug,
            labels.of_network(environment),
            subnets.environment_subnets(self._pool),
            internal=False,
        )

    def ensure_release(self, release: Release) -> None:
        """Make a release's network: nothing leaves by it, that is what the environment's is for."""
        self._ensure(
            release_network(release.environment, release.number),
            labels.of_network(release.environment, release.number),
            subnets.release_subnets(self._pool, sum(s.replicas for s in release.app_services)),
            internal=True,
        )

    def of(self, environment: EnvironmentName) -> list[Mapping[str, Any]]:
        """All of an environment's networks, as the engine lists them."""
        with mapped(f"list {environment}'s networks"):
            return list(self._connection().networks(filters=labels.filters(environment)))

    def remove(self, name: str) -> None:
        """Remove a network by name or id; one that is gone is fine."""
        from docker.errors import NotFound

        with mapped(f"remove the network {name}"), suppress(NotFound):
            self._connection().remove_network(name)

    def _ensure(self, name: str, own: labels.Labels, candidates: Iterator[IPv4Network], *, internal: bool) -> None:
        from docker.errors import APIError

        with self._making, mapped(f"create the network {name}"):
            for attempt in range(1, ATTEMPTS + 1):
                known = self._connection().networks()
                if any(_is_there(network, name, own) for network in known):
                    return
                subnet = subnets.first_free(candidates, [*_subnets_of(known), *self._host_routes()])
                if subnet is None:
                    raise NoSubnet(
                        f"No subnet of {self._pool} is left for the network {name}.",
                        hint="Destroy environments that nobody needs, or give the agent a larger pool.",
                    )
                try:
                    self._create(name, own, subnet, internal=internal)
                except APIError:
                    # Somebody made it meanwhile, or the subnet is in use where it cannot be seen: look again,
                    # and go on with the candidates behind this one.
                    if attempt == ATTEMPTS:
                        raise
                else:
                    return

    def _create(self, name: str, own: labels.Labels, subnet: IPv4Network, *, internal: bool) -> None:
        from docker.types import IPAMConfig, IPAMPool

        pool = IPAMPool(
            subnet=str(subnet),
            iprange=None if internal else str(subnets.dynamic_range(subnet)),
            gateway=str(subnets.gateway(subnet)),
        )
        self._connection().create_network(
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            labels=own,
            internal=internal,
            check_duplicate=True,
        )

    def _host_routes(self) -> list[IPv4Network]:
        if not self._connection.is_local or not ROUTES.exists():
            return []
        return list(subnets.routes(ROUTES.read_text(encoding="ascii")))


def subnet_of(network: Mapping[str, Any]) -> str | None:
    """A network's first subnet, in CIDR notation."""
    return next((str(found) for found in _subnets_of([network])), None)


def _is_there(network: Mapping[str, Any], name: str, own: labels.Labels) -> bool:
    if network["Name"] != name:
        return False
    if labels.same_thing(network.get("Labels"), own):
        return True
    owner = labels.environment_in(network.get("Labels"))
    raise NameTaken(
        f"The network {name} is {'that of ' + str(owner) if owner else 'not made by Tidegate'}.",
        hint=f"Rename the app or the environment, or remove it: docker network rm {name}.",
    )


def _subnets_of(networks: Iterable[Mapping[str, Any]]) -> Iterator[IPv4Network]:
    for network in networks:
        for pool in (network.get("IPAM") or {}).get("Config") or ():
            if ":" not in pool.get("Subnet", ":"):
                yield IPv4Network(pool["Subnet"], strict=False)
