"""What is seen of an environment at one moment: the left side of every plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tidegate.domain.traffic import OpenWork, TrafficTable


class Phase(StrEnum):
    """What a container is doing, in the engine's own words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    DEAD = "dead"
    REMOVING = "removing"


@dataclass(frozen=True, order=True)
class Replica:
    """A container of an app service.

    `address` is its address in the environment's network, its own for as long as it exists.
    `start` changes whenever the container starts, so that (id, start) names one life of it. `restarts`
    says that the engine brings it back after a failure or a reboot.
    """

    release: int
    service: str
    index: int
    id: str
    start: str
    phase: Phase
    address: str
    restarts: bool
    fingerprint: str
    exit_code: int = 0
    oom_killed: bool = False

    @property
    def life(self) -> str:
        """Names this container from one start to its next."""
        return f"{self.id}@{self.start}"

    @property
    def running(self) -> bool:
        """Whether it could answer."""
        return self.phase is Phase.RUNNING

    @property
    def key(self) -> tuple[int, str, int]:
        """Which of the wanted replicas this is."""
        return (self.release, self.service, self.index)


@dataclass(frozen=True, order=True)
class Accessory:
    """A container of an accessory. `healthy` is true without a health check, too, once it runs."""

    service: str
    id: str
    phase: Phase
    healthy: bool
    fingerprint: str


@dataclass(frozen=True)
class Observation:
    """One environment as seen on its target and its router.

    `network` is its subnet in CIDR notation, None while there is no network. `verified` holds the lives
    (`Replica.life`) that answered their health path since they began. `retired` says when a release
    stopped serving.
    """

    network: str | None = None
    release_networks: frozenset[int] = frozenset()
    replicas: tuple[Replica, ...] = ()
    accessories: tuple[Accessory, ...] = ()
    traffic: TrafficTable = field(default_factory=TrafficTable)
    open_work: Mapping[int, OpenWork] = field(default_factory=dict)
    verified: frozenset[str] = frozenset()
    retired: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def serving(self) -> frozenset[int]:
        """Releases that are given requests; where nothing is routed, those that are to come back by themselves."""
        if self.traffic.routes:
            return frozenset(server.release for server in self.traffic.serving)
        return frozenset(replica.release for replica in self.replicas if replica.restarts)

    def of_release(self, number: int) -> tuple[Replica, ...]:
        """Replicas of one release."""
        return tuple(r for r in self.replicas if r.release == number)
