"""Do one action of a plan. Every action may be done again: what is there is adopted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
from tidegate.domain.names import EnvironmentName, accessory_name
from tidegate.domain.observation import Observation, Phase, Replica
from tidegate.domain.release import Release
from tidegate.domain.service import Service
from tidegate.engine.drain import drain
from tidegate.engine.outside import Memory, Outside, Tell
from tidegate.engine.probe import last_words, probe_until_ready
from tidegate.errors import AccessoryFailed, InternalError
from tidegate.ports.store import Intent

T = TypeVar("T")
ACCESSORY_WITHIN = 120.0  # seconds for an accessory to become healthy
ACCESSORY_LOOK = 0.25  # seconds between two looks at it


class Hands:
    """What carries out one environment's actions.

    `check` raises when the work is to stop before the shift; `preempted` says that newer work waits, so
    that a drain need not be sat out.
    """

    def __init__(
        self,
        outside: Outside,
        environment: EnvironmentName,
        memory: Memory,
        tell: Tell,
        check: Callable[[], None],
        preempted: Callable[[], bool],
    ) -> None:
        self._outside = outside
        self._environment = environment
        self._memory = memory
        self._tell = tell
        self._check = check
        self._preempted = preempted

    def apply(self, action: Action, observed: Observation, release: Release | None, intent: Intent) -> None:
        """Carry out `action`, which was planned from `observed` towards `release`."""
        target, router = self._outside.target, self._outside.router
        match action:
            case EnsureNetwork():
                target.ensure_network(self._environment)
            case EnsureReleaseNetwork() if release is not None:
                target.ensure_release_network(release)
            case StartAccessory(service=service):
                self._accessory(service)
            case StartReplicas() if release is not None:
                self._start(action, release)
            case Probe() if release is not None:
                wanted = [r for r in observed.of_release(release.number) if (r.service, r.index) in action.replicas]
                ready = probe_until_ready(self._outside, release, wanted, self._tell, self._check)
                self._memory.verified = self._memory.verified | ready
            case Shift(table=table):
                self._check()
                router.apply(self._environment, table)
            case SetRestarts(restarts=restarts):
                for_each(observed.of_release(action.release), lambda r: target.set_restarts(r, restarts))
            case Drain():
                drain(self._outside, self._environment, action.release, intent, self._preempted)
            case Withdraw(table=table):
                router.apply(self._environment, table)
            case RemoveReplicas():
                self._remove(action, observed)
            case RemoveEnvironment():
                target.remove_environment(self._environment, volumes=intent.volumes)
            case _:
                raise InternalError(f"nobody knows how to {action.what}")

    def _start(self, action: StartReplicas, release: Release) -> None:
        for image in sorted({place.service.image for place in action.places} - self._memory.images):
            self._outside.target.ensure_image(image)
        self._check()
        begun = frozenset((action.release, p.service.name, p.index) for p in action.places)
        self._memory.started = self._memory.started | begun
        for_each(action.places, lambda place: self._outside.target.start_replica(release, place))

    def _accessory(self, service: Service) -> None:
        """Run it and wait until it is healthy. One that was healthy in this rollout and is not again has failed."""
        target, clock = self._outside.target, self._outside.clock
        name = accessory_name(self._environment, service.name)
        if service.name in self._memory.accessories:
            raise AccessoryFailed(f"{name} does not stay up", details=self._words_of(service))
        target.ensure_image(service.image)
        target.start_accessory(self._environment, service)
        until = clock.monotonic() + ACCESSORY_WITHIN
        while True:
            self._check()
            seen = next((a for a in target.observe(self._environment).accessories if a.service == service.name), None)
            if seen is not None and seen.phase is Phase.RUNNING and seen.healthy:
                break
            if clock.monotonic() >= until:
                state = "gone" if seen is None else f"{seen.phase}, not healthy"
                raise AccessoryFailed(
                    f"{name} is {state} after {ACCESSORY_WITHIN:g} s", details=self._words_of(service)
                )
            clock.sleep(ACCESSORY_LOOK)
        self._memory.accessories = self._memory.accessories | {service.name}

    def _words_of(self, service: Service) -> list[str]:
        there = self._outside.target.observe(self._environment).accessories
        return [line for a in there if a.service == service.name for line in last_words(self._outside, a.id)]

    def _remove(self, action: RemoveReplicas, observed: Observation) -> None:
        leaving = [r for r in observed.of_release(action.release) if (r.service, r.index) in action.replicas]
        for_each(leaving, self._outside.target.remove_replica)
        self._memory.verified = self._memory.verified - {r.life for r in leaving}
        if action.whole and action.release in observed.release_networks:
            self._outside.target.remove_release_network(self._environment, action.release)


def for_each(things: Sequence[T], act: Callable[[T], object]) -> None:
    """Do the same to several things at once; the first failure is raised when all have ended."""
    if len(things) == 1:
        act(things[0])
        return
    with ThreadPoolExecutor(max_workers=max(1, min(8, len(things)))) as pool:
        for future in [pool.submit(act, thing) for thing in things]:
            future.result()


def failed_start(observed: Observation, memory: Memory, release: Release) -> Replica | None:
    """A replica that this rollout started and that has ended: to start it again would be to loop."""
    for replica in observed.of_release(release.number):
        if replica.key in memory.started and not replica.running and replica.life not in memory.verified:
            return replica
    return None
