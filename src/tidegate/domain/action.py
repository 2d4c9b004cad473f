"""The steps of a plan, as data. What each does is told by its name; how, by the engine.

Every action is safe to repeat: it names what it makes, and what is there already is adopted.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.domain.service import Service
from tidegate.domain.traffic import TrafficTable


@dataclass(frozen=True)
class Action:
    """One step. `why` tells the difference between desired and observed that it removes."""

    why: str

    @property
    def what(self) -> str:
        """The step in a few words, for people."""
        raise TypeError("an action says what it does")


@dataclass(frozen=True)
class EnsureNetwork(Action):
    """Make the environment's network."""

    @property
    def what(self) -> str:
        """The step in a few words."""
        return "create the environment's network"


@dataclass(frozen=True)
class EnsureReleaseNetwork(Action):
    """Make the network in which a release's services find each other."""

    release: int

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"create r{self.release}'s network"


@dataclass(frozen=True)
class StartAccessory(Action):
    """Start an accessory that is not there, and wait until it is healthy."""

    service: Service

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"start accessory {self.service.name}"


@dataclass(frozen=True)
class ReplicaPlace:
    """A replica to be: the `index`-th of a service, at an address of its own."""

    service: Service
    index: int
    address: str


@dataclass(frozen=True)
class StartReplicas(Action):
    """Start replicas beside what serves, restarts disabled, all at once."""

    release: int
    places: tuple[ReplicaPlace, ...]

    @property
    def what(self) -> str:
        """The step in a few words."""
        names = ", ".join(f"{p.service.name}-{p.index}" for p in self.places)
        return f"start r{self.release} {names}"


@dataclass(frozen=True)
class Probe(Action):
    """Ask replicas for their health path until each answers 200."""

    release: int
    replicas: tuple[tuple[str, int], ...]  # (service, index)

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"probe r{self.release} {', '.join(f'{s}-{i}' for s, i in self.replicas)}"


@dataclass(frozen=True)
class Shift(Action):
    """Give the traffic to a release: one table for the router, applied without a reload where possible."""

    release: int
    table: TrafficTable

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"shift traffic to r{self.release}"


@dataclass(frozen=True)
class SetRestarts(Action):
    """Say which replicas the engine brings back after a failure or a reboot."""

    release: int
    restarts: bool

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"{'enable' if self.restarts else 'disable'} restarts of r{self.release}"


@dataclass(frozen=True)
class Drain(Action):
    """Wait until a release's last request has ended, within its budgets."""

    release: int

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"drain r{self.release}"


@dataclass(frozen=True)
class Withdraw(Action):
    """Take servers that nobody needs out of the router."""

    table: TrafficTable

    @property
    def what(self) -> str:
        """The step in a few words."""
        return "take unneeded servers out of the router"


@dataclass(frozen=True)
class RemoveReplicas(Action):
    """Stop and remove a release's containers: the `whole` release with its network, or some replicas."""

    release: int
    replicas: tuple[tuple[str, int], ...]  # (service, index)
    whole: bool

    @property
    def what(self) -> str:
        """The step in a few words."""
        return f"stop r{self.release}"


@dataclass(frozen=True)
class RemoveEnvironment(Action):
    """Remove accessories and the environment's network. Volumes stay."""

    @property
    def what(self) -> str:
        """The step in a few words."""
        return "remove the accessories and the environment's network"


@dataclass(frozen=True)
class Plan:
    """The ordered actions, and the fingerprint of the observation that they answer (of its lasting part)."""

    actions: tuple[Action, ...]
    observed: str

    def __bool__(self) -> bool:
        return bool(self.actions)
