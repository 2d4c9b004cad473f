"""A model of target and router, just faithful enough to hold plans to their promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidegate.domain.action import (
    Action,
    Drain,
    EnsureNetwork,
    EnsureReleaseNetwork,
    Probe,
    RemoveEnvironment,
    RemoveReplicas,
    SetRestarts,
    Shift,
    StartAccessory,
    StartReplicas,
    Withdraw,
)
from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Accessory, Observation, Phase, Replica
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.domain.route import Route
from tidegate.domain.service import Role, Service
from tidegate.domain.traffic import OpenWork, TrafficTable

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = EnvironmentName("shop", "staging")


def release(number: int, *, web: int = 2, worker: int = 0, database: bool = False) -> Release:
    """A release of a routed `web`, and perhaps an unrouted `worker` and an accessory."""
    services = [Service("web", Role.APP, f"sha256:{number:064x}", replicas=web)]
    if worker:
        services.append(Service("worker", Role.APP, f"sha256:{number:064x}", replicas=worker))
    if database:
        services.append(Service("db", Role.ACCESSORY, "postgres:17"))
    configuration = Configuration(tuple(services), (Route("shop.test", "/", "web", 8000, "/health"),))
    artifact = Artifact(commit=f"{number:040x}", images={"web": f"sha256:{number:064x}"})
    return Release(PLACE, number, artifact, configuration, fingerprint([artifact, configuration]), T0, "someone")


class World:
    """An observation that actions change, and the engine's own bookkeeping beside it."""

    def __init__(self) -> None:
        self.seen = Observation()
        self.now = T0
        self.starts = 0

    def apply(self, action: Action) -> None:
        """Change what is observed as the real action would."""
        getattr(self, f"_{type(action).__name__}")(action)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def kill(self, replica: Replica) -> None:
        """A container dies, and the agent takes it out of the router at once."""
        self._change(replica, phase=Phase.EXITED, exit_code=137)
        gone = [s for e in self.seen.traffic.routes for s in e.servers if s.address == replica.address]
        idle = {(s.name, s.address) for s in gone}
        routes = tuple(
            replace(
                e, servers=tuple(replace(s, serving=s.serving and (s.name, s.address) not in idle) for s in e.servers)
            )
            for e in self.seen.traffic.routes
        )
        self.seen = replace(self.seen, traffic=TrafficTable(routes))

    def revive(self, replica: Replica) -> None:
        """The engine starts a dead container again."""
        self._change(replica, phase=Phase.RUNNING, start=self._next_start())

    def forget_proofs(self) -> None:
        """The agent was restarted: what it kept in memory is gone."""
        self.seen = replace(self.seen, verified=frozenset())

    def request_arrives(self, number: int) -> None:
        """Something is open at a release."""
        self.seen = replace(self.seen, open_work={**self.seen.open_work, number: OpenWork(requests=1)})

    def _change(self, replica: Replica, **changes: object) -> None:
        self.seen = replace(
            self.seen,
            replicas=tuple(replace(r, **changes) if r.id == replica.id else r for r in self.seen.replicas),  # type: ignore[arg-type]
        )

    def _next_start(self) -> str:
        self.starts += 1
        return str(self.starts)

    def _EnsureNetwork(self, _: EnsureNetwork) -> None:
        self.seen = replace(self.seen, network="10.213.0.0/24")

    def _EnsureReleaseNetwork(self, action: EnsureReleaseNetwork) -> None:
        self.seen = replace(self.seen, release_networks=self.seen.release_networks | {action.release})

    def _StartAccessory(self, action: StartAccessory) -> None:
        accessory = Accessory(action.service.name, "a", Phase.RUNNING, True, action.service.fingerprint)
        self.seen = replace(self.seen, accessories=(*self.seen.accessories, accessory))

    def _StartReplicas(self, action: StartReplicas) -> None:
        assert self.seen.network is not None
        for place in action.places:
            key = (action.release, place.service.name, place.index)
            others = tuple(r for r in self.seen.replicas if r.key != key)
            assert place.address not in {r.address for r in others}, "an address was given twice"
            remembered = {
                s.address: (s.release, s.service, s.index) for e in self.seen.traffic.routes for s in e.servers
            }
            assert remembered.get(place.address, key) == key, "the router remembers this address for another"
            start = self._next_start()
            new = Replica(
                *key,
                id=f"c{start}",
                start=start,
                phase=Phase.RUNNING,
                address=place.address,
                restarts=False,
                fingerprint=place.service.fingerprint,
            )
            self.seen = replace(self.seen, replicas=(*others, new))

    def _Probe(self, action: Probe) -> None:
        lives = {
            r.life
            for r in self.seen.of_release(action.release)
            if (r.service, r.index) in action.replicas and r.running
        }
        self.seen = replace(self.seen, verified=self.seen.verified | lives)

    def _Shift(self, action: Shift) -> None:
        before = {s.release for s in self.seen.traffic.serving} - {action.release}
        self.seen = replace(
            self.seen, traffic=action.table, retired={**self.seen.retired, **dict.fromkeys(before, self.now)}
        )

    def _SetRestarts(self, action: SetRestarts) -> None:
        for r in self.seen.of_release(action.release):
            self._change(r, restarts=action.restarts)

    def _Drain(self, action: Drain) -> None:
        work = {n: w for n, w in self.seen.open_work.items() if n != action.release}
        self.seen = replace(self.seen, open_work=work)

    def _Withdraw(self, action: Withdraw) -> None:
        self.seen = replace(self.seen, traffic=action.table)

    def _RemoveReplicas(self, action: RemoveReplicas) -> None:
        gone = {r.key for r in self.seen.of_release(action.release) if (r.service, r.index) in action.replicas}
        for entry in self.seen.traffic.routes:
            for s in entry.servers:
                assert (s.release, s.service, s.index) not in gone, "removed while the router knows it"
        networks = self.seen.release_networks - ({action.release} if action.whole else set())
        self.seen = replace(
            self.seen,
            replicas=tuple(r for r in self.seen.replicas if r.key not in gone),
            release_networks=networks,
        )

    def _RemoveEnvironment(self, _: RemoveEnvironment) -> None:
        assert not self.seen.replicas
        self.seen = replace(self.seen, network=None, accessories=())
