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
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Observation, Replica
from tidegate.domain.release import Release
from tidegate.engine.drain import drain
from tidegate.engine.outside import Memory, Outside, Tell
from tidegate.engine.probe import probe_until_ready
from tidegate.errors import InternalError
from tidegate.ports.store import Intent

T = TypeVar("T")


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
                target.ensure_image(service.image)
                target.start_accessory(self._environment, service)
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
        for image in sorted({place.service.image for place in action.places}):
            self._outside.target.ensure_image(image)
        self._check()
        begun = frozenset((action.release, p.service.name, p.index) for p in action.places)
        self._memory.started = self._memory.started | begun
        for_each(action.places, lambda place: self._outside.target.start_replica(release, place))

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
