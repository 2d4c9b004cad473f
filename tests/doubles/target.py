"""An engine in memory, kept honest by the contract suite that `DockerTarget` runs, too.

Beyond the port it can be told what happens to a container: `end`, `pause`, `output`, `image_gone`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName, accessory_name, release_network, replica_name
from tidegate.domain.observation import Accessory, Phase, Replica
from tidegate.domain.release import Release
from tidegate.domain.service import Service
from tidegate.errors import EngineRefused, ImageMissing, NameTaken
from tidegate.ports.target import RegistryAuth, ReplicaEvent, TargetView


@dataclass
class FakeContainer:
    environment: EnvironmentName
    name: str
    state: Replica | Accessory
    lines: list[str] = field(default_factory=list)
    health: str | None = None


class FakeTarget:
    """Everything starts at once and stays up until it is told otherwise."""

    def __init__(self) -> None:
        self.made: dict[str, FakeContainer] = {}  # by container name
        self.networks: dict[str, tuple[EnvironmentName, int | None, str]] = {}  # by name: whose, release, subnet
        self.kept: dict[str, EnvironmentName] = {}  # volumes
        self.foreign: set[str] = set()  # names of containers and networks that others made
        self.missing_images: set[str] = set()
        self.exits_at_once: dict[str, int] = {}  # service: exit code
        self.health: dict[str, str] = {}  # service: what its own health check says
        self._listeners: list[queue.SimpleQueue[ReplicaEvent]] = []
        self._lock = threading.RLock()
        self._count = 0

    # --- what happens to it ---------------------------------------------------------------------------

    def end(self, container: str, exit_code: int = 137, *, oom_killed: bool = False) -> None:
        """The process of a container ends; where restarts are enabled, it begins a new life."""
        with self._lock:
            found = self._by_id(container)
            assert found is not None
            if isinstance(found.state, Accessory):
                found.state = replace(found.state, phase=Phase.EXITED, healthy=False)
                return
            found.state = replace(found.state, phase=Phase.EXITED, exit_code=exit_code, oom_killed=oom_killed)
            self._tell("ended", found)
            if found.state.restarts:
                self._start(found)

    def pause(self, container: str) -> None:
        """A container is frozen."""
        with self._lock:
            found = self._by_id(container)
            assert found is not None and isinstance(found.state, Replica)
            found.state = replace(found.state, phase=Phase.PAUSED)
            self._tell("ended", found)

    def output(self, container: str, *lines: str) -> None:
        """A container prints."""
        found = self._by_id(container)
        assert found is not None
        found.lines += lines

    def reboot(self) -> None:
        """The engine's machine restarts: only what is to restart does."""
        with self._lock:
            for container in list(self.made.values()):
                state = container.state
                if isinstance(state, Replica) and state.running:
                    container.state = replace(state, phase=Phase.EXITED, exit_code=255)
                    if state.restarts:
                        self._start(container)

    # --- the port -------------------------------------------------------------------------------------

    def identity(self) -> str:
        return "fake"

    def describe(self) -> dict[str, object]:
        return {"product": "Fake Engine", "version": "1"}

    def environments(self) -> frozenset[EnvironmentName]:
        with self._lock:
            return frozenset(c.environment for c in self.made.values()) | {e for e, _, _ in self.networks.values()}

    def observe(self, environment: EnvironmentName) -> TargetView:
        with self._lock:
            mine = [c.state for c in self.made.values() if c.environment == environment]
            networks = {release: subnet for owner, release, subnet in self.networks.values() if owner == environment}
            return TargetView(
                network=networks.get(None),
                release_networks=frozenset(number for number in networks if number is not None),
                replicas=tuple(sorted(s for s in mine if isinstance(s, Replica))),
                accessories=tuple(sorted(s for s in mine if isinstance(s, Accessory))),
            )

    def ensure_image(self, image: str, auth: RegistryAuth | None = None) -> None:
        if image in self.missing_images:
            raise ImageMissing(f"The image {image} is nowhere.")

    def ensure_network(self, environment: EnvironmentName) -> None:
        self._network(environment.slug, environment, None, "10.9.{}.0/24")

    def ensure_release_network(self, release: Release) -> None:
        name = release_network(release.environment, release.number)
        self._network(name, release.environment, release.number, "10.10.{}.0/28")

    def start_accessory(self, environment: EnvironmentName, service: Service) -> None:
        with self._lock:
            self.ensure_image(service.image)
            name = accessory_name(environment, service.name)
            found = self._adoptable(environment, name, Accessory)
            if found is not None and self._is_as_wanted(found, service):
                return
            self._keep_volumes(environment, service)
            state = Accessory(
                service.name, self._next_id(), Phase.RUNNING, service.name not in self.health, service.fingerprint
            )
            self.made[name] = FakeContainer(environment, name, state)

    def start_replica(self, release: Release, place: ReplicaPlace) -> Replica:
        with self._lock:
            environment, service = release.environment, place.service
            name = replica_name(environment, release.number, service.name, place.index)
            found = self._adoptable(environment, name, Replica)
            if found is not None and self._is_as_wanted(found, service):
                assert isinstance(found.state, Replica)
                return found.state
            self.ensure_image(service.image)
            if environment.slug not in self.networks:
                raise EngineRefused(f"network {environment.slug} not found")
            holders = [c for c in self.made.values() if isinstance(c.state, Replica) and c.name != name]
            if any(c.state.address == place.address and c.state.running for c in holders):  # type: ignore[union-attr]
                raise EngineRefused("Address already in use")
            self._keep_volumes(environment, service)
            state = Replica(
                release=release.number,
                service=service.name,
                index=place.index,
                id=self._next_id(),
                start="",
                phase=Phase.CREATED,
                address=place.address,
                restarts=False,
                fingerprint=service.fingerprint,
            )
            container = self.made[name] = FakeContainer(environment, name, state, health=self.health.get(service.name))
            self._start(container)
            if service.name in self.exits_at_once:
                self.end(state.id, self.exits_at_once[service.name])
            assert isinstance(container.state, Replica)
            return container.state

    def inspect(self, environment: EnvironmentName, replica: Replica) -> Replica | None:
        found = self._by_id(replica.id)
        return found.state if found is not None and isinstance(found.state, Replica) else None

    def container_health(self, replica: Replica) -> str | None:
        found = self._by_id(replica.id)
        return found.health if found else None

    def set_restarts(self, replica: Replica, restarts: bool) -> None:
        with self._lock:
            found = self._by_id(replica.id)
            if found is None or not isinstance(found.state, Replica):
                raise EngineRefused(f"no such container: {replica.id}")
            found.state = replace(found.state, restarts=restarts)

    def remove_replica(self, replica: Replica, grace: float | None = None) -> None:
        with self._lock:
            found = self._by_id(replica.id)
            if found is None:
                return
            if isinstance(found.state, Replica) and found.state.running:
                found.state = replace(found.state, phase=Phase.EXITED)
                self._tell("ended", found)
            del self.made[found.name]

    def remove_release_network(self, environment: EnvironmentName, release: int) -> None:
        self.networks.pop(release_network(environment, release), None)

    def remove_environment(self, environment: EnvironmentName, *, volumes: bool) -> None:
        with self._lock:
            for name in [n for n, c in self.made.items() if c.environment == environment]:
                del self.made[name]
            for name in [n for n, (owner, _, _) in self.networks.items() if owner == environment]:
                del self.networks[name]
            if volumes:
                for name in self.volumes(environment):
                    del self.kept[name]

    def volumes(self, environment: EnvironmentName) -> tuple[str, ...]:
        return tuple(sorted(name for name, owner in self.kept.items() if owner == environment))

    def logs(self, container: str, *, tail: int, follow: bool) -> Iterator[str]:
        found = self._by_id(container)
        if found is None:
            raise EngineRefused(f"no such container: {container}")
        yield from found.lines[-tail:]

    @contextmanager
    def events(self) -> Iterator[Iterator[ReplicaEvent | None]]:
        mine: queue.SimpleQueue[ReplicaEvent] = queue.SimpleQueue()

        def read() -> Iterator[ReplicaEvent | None]:
            while True:
                try:
                    yield mine.get(timeout=0.05)
                except queue.Empty:
                    yield None

        self._listeners.append(mine)
        try:
            yield read()
        finally:
            self._listeners.remove(mine)

    def containers(self, environment: EnvironmentName) -> Mapping[str, str]:
        return {name: c.state.id for name, c in self.made.items() if c.environment == environment}

    # --- within ---------------------------------------------------------------------------------------

    def _network(self, name: str, environment: EnvironmentName, release: int | None, pattern: str) -> None:
        with self._lock:
            owner = self.networks.get(name)
            if name in self.foreign or (owner is not None and owner[:2] != (environment, release)):
                raise NameTaken(f"The network {name} is not {environment}'s.")
            if owner is None:
                used = {IPv4Network(subnet) for _, _, subnet in self.networks.values()}
                free = next(n for i in range(250) if (n := IPv4Network(pattern.format(i))) not in used)
                self.networks[name] = (environment, release, str(free))

    def _adoptable(self, environment: EnvironmentName, name: str, kind: type) -> FakeContainer | None:
        found = self.made.get(name)
        if name in self.foreign or (
            found is not None and (found.environment != environment or not isinstance(found.state, kind))
        ):
            raise NameTaken(f"The container {name} is not {environment}'s.")
        return found

    @staticmethod
    def _is_as_wanted(found: FakeContainer, service: Service) -> bool:
        return found.state.fingerprint == service.fingerprint and found.state.phase is Phase.RUNNING

    def _keep_volumes(self, environment: EnvironmentName, service: Service) -> None:
        for entry in service.definition.get("volumes", ()):
            if entry["type"] == "volume":
                self.kept[f"{environment.slug}_{entry['source']}"] = environment

    def _start(self, container: FakeContainer) -> None:
        assert isinstance(container.state, Replica)
        container.state = replace(container.state, phase=Phase.RUNNING, start=f"t{self._tick()}", exit_code=0)
        self._tell("started", container)

    def _tell(self, kind: str, container: FakeContainer) -> None:
        s = container.state
        assert isinstance(s, Replica)
        for listener in self._listeners:
            listener.put(ReplicaEvent(container.environment, kind, s.id, s.release, s.service, s.index))

    def _by_id(self, container: str) -> FakeContainer | None:
        with self._lock:
            return next((c for c in self.made.values() if c.state.id == container), None)

    def _next_id(self) -> str:
        return f"c{self._tick():03}"

    def _tick(self) -> int:
        self._count += 1
        return self._count
