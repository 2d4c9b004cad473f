"""Artifacts, what an environment adds to them, and the releases that result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Route
from tidegate.domain.service import Role, Service


@dataclass(frozen=True)
class Artifact:
    """The images built from one commit; it never changes.

    `images` maps a service name to its pinned image. `dirty` says that changes no commit holds went in.
    """

    commit: str
    images: Mapping[str, str]
    dirty: bool = False


@dataclass(frozen=True)
class Strategy:
    """How an environment is brought to a release. All times are in seconds."""

    kind: str = "blue-green"
    start_within: float = 60.0  # from a container's start to its first 200
    drain_requests: float = 30.0  # for requests that the old release still answers
    drain_websockets: float = 300.0  # for its upgraded connections
    keep_warm: float = 600.0  # how long the old release stays ready to take the traffic back


@dataclass(frozen=True)
class Configuration:
    """What an environment makes of an artifact: services, routes, strategy."""

    services: tuple[Service, ...]
    routes: tuple[Route, ...] = ()
    strategy: Strategy = field(default_factory=Strategy)

    def of_role(self, role: Role) -> tuple[Service, ...]:
        """The services of one role, in their order."""
        return tuple(service for service in self.services if service.role is role)


@dataclass(frozen=True)
class Release:
    """An artifact with its configuration, numbered in its environment. It never changes."""

    environment: EnvironmentName
    number: int
    artifact: Artifact
    configuration: Configuration
    fingerprint: str  # of artifact images and configuration: equal means the same release
    created_at: datetime
    created_by: str

    @property
    def app_services(self) -> tuple[Service, ...]:
        """The services that come with this release."""
        return self.configuration.of_role(Role.APP)

    @property
    def needs_network(self) -> bool:
        """Whether its services must find each other by name: with one service there is nobody to find."""
        return len(self.app_services) > 1

    def __str__(self) -> str:
        return f"r{self.number}"
