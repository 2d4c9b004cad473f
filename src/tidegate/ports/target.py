"""What runs containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Accessory, Replica
from tidegate.domain.release import Release
from tidegate.domain.service import Service


@dataclass(frozen=True)
class TargetView:
    """What a target knows of an environment."""

    network: str | None
    release_networks: frozenset[int]
    replicas: tuple[Replica, ...]
    accessories: tuple[Accessory, ...]


@dataclass(frozen=True)
class ReplicaEvent:
    """Something happened to a container of ours: `kind` is `started` or `ended`.

    `ended` covers everything after which its address no longer answers for it.
    """

    environment: EnvironmentName
    kind: str
    container: str
    release: int
    service: str
    index: int


@dataclass(frozen=True)
class RegistryAuth:
    """Credentials for one registry; never logged, never stored."""

    registry: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"RegistryAuth({self.registry!r}, [REDACTED])"


class Target(Protocol):
    """One place that runs containers. Every method is safe to repeat: it adopts what is there.

    Raises `EngineUnavailable` or `EngineRefused` for foreign errors.
    """

    def identity(self) -> str:
        """Names the engine, the same for everyone who reaches it."""
        ...

    def describe(self) -> dict[str, object]:
        """For people: `product`, `version`."""
        ...

    def environments(self) -> frozenset[EnvironmentName]:
        """Environments of which something is there."""
        ...

    def observe(self, environment: EnvironmentName) -> TargetView:
        """What is there of one environment."""
        ...

    def ensure_image(self, image: str, auth: RegistryAuth | None = None) -> None:
        """Have an image at hand, pulling it by digest if need be. Raises `ImageMissing`, `Registry…`."""
        ...

    def ensure_network(self, environment: EnvironmentName) -> None:
        """Make the environment's network with a subnet of its own. Raises `NoSubnet`."""
        ...

    def ensure_release_network(self, release: Release) -> None:
        """Make the network in which a release's service names resolve."""
        ...

    def start_accessory(self, environment: EnvironmentName, service: Service) -> None:
        """Run an accessory, reachable by its service name by everything in the environment."""
        ...

    def start_replica(self, release: Release, place: ReplicaPlace) -> Replica:
        """Create and start one replica with restarts disabled; a dead one of that name is replaced."""
        ...

    def inspect(self, environment: EnvironmentName, replica: Replica) -> Replica | None:
        """The replica as it is now; None when it is gone."""
        ...

    def container_health(self, replica: Replica) -> str | None:
        """The engine's own health check: `starting`, `healthy`, `unhealthy`; None where there is none."""
        ...

    def set_restarts(self, replica: Replica, restarts: bool) -> None:
        """Say whether the engine brings the replica back by itself."""
        ...

    def remove_replica(self, replica: Replica, grace: float | None = None) -> None:
        """Stop it by its stop signal, within its own grace period unless `grace` is given, and remove it."""
        ...

    def remove_release_network(self, environment: EnvironmentName, release: int) -> None:
        """Remove a release's network."""
        ...

    def remove_environment(self, environment: EnvironmentName, *, volumes: bool) -> None:
        """Remove accessories, the network, and with `volumes` the environment's volumes."""
        ...

    def volumes(self, environment: EnvironmentName) -> tuple[str, ...]:
        """Names of the environment's volumes."""
        ...

    def logs(self, container: str, *, tail: int, follow: bool) -> Iterator[str]:
        """Lines of a container's output, oldest first, each without its line end."""
        ...

    def events(self) -> AbstractContextManager[Iterator[ReplicaEvent | None]]:
        """Events of all environments' replicas from now on; None now and then, so that one can stop."""
        ...

    def containers(self, environment: EnvironmentName) -> Mapping[str, str]:
        """Container ids by name, for logs."""
        ...
