"""`make_plan`: what is observed, what is desired, and the ordered actions between them.

It decides everything about a blue-green rollout and does nothing. Any prefix of a plan followed by
planning again reaches the same end, so an agent killed anywhere goes on where it was. What it promises
(and the property tests hold it to): a satisfied environment has an empty plan; before the shift nothing
that serves is touched; in between, never fewer replicas serve than are wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from tidegate.domain.action import (
    Action,
    Drain,
    EnsureNetwork,
    EnsureReleaseNetwork,
    Plan,
    Probe,
    RemoveEnvironment,
    RemoveReplicas,
    ReplicaPlace,
    SetRestarts,
    Shift,
    StartAccessory,
    StartReplicas,
    Withdraw,
)
from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.observation import Observation, Phase, Replica
from tidegate.domain.release import Release
from tidegate.domain.service import Role, Service
from tidegate.domain.traffic import RoutedServers, Server, TrafficTable
from tidegate.errors import NoAddress
from tidegate.planning.addresses import free_addresses, used_addresses
from tidegate.planning.desired import Desired

UNPLACED = "to be assigned"  # the address of a replica before its network exists
GONE = (Phase.EXITED, Phase.DEAD, Phase.CREATED, Phase.REMOVING)

Places = tuple[tuple[Service, int], ...]  # (service, index from 1)


def make_plan(desired: Desired, observed: Observation, now: datetime) -> Plan:
    """The actions that bring `observed` to `desired`, in order; empty when there is nothing to do."""
    actions: list[Action] = []
    if desired.release is not None and not desired.destroy:
        actions += _bring_up(desired.release, observed)
    actions += _put_away(desired, observed, now)
    lasting = replace(observed, open_work={}, verified=frozenset())
    return Plan(tuple(actions), fingerprint(lasting))


# --- towards the wanted release --------------------------------------------------------------------


def _bring_up(release: Release, observed: Observation) -> Iterator[Action]:
    if observed.network is None:
        yield EnsureNetwork(why="the environment has no network yet")
    if release.needs_network and release.number not in observed.release_networks:
        yield EnsureReleaseNetwork(why="its services find each other by name", release=release.number)
    for service in release.configuration.of_role(Role.ACCESSORY):
        found = next((a for a in observed.accessories if a.service == service.name), None)
        if found is None or found.phase is not Phase.RUNNING:
            yield StartAccessory(why=f"accessory {service.name} does not run", service=service)
        elif not found.healthy:
            yield StartAccessory(why=f"accessory {service.name} is not healthy", service=service)

    places = wanted_places(release)
    alive = {(r.service, r.index): r for r in observed.of_release(release.number) if r.phase not in GONE}
    missing = tuple((s, i) for s, i in places if (s.name, i) not in alive)
    if missing:
        yield StartReplicas(
            why=_missing_because(missing, observed, release),
            release=release.number,
            places=_place(missing, observed),
        )
    proved = {key for key, replica in alive.items() if _is_proved(replica, release, observed)}
    unproved = tuple((s.name, i) for s, i in places if (s.name, i) not in proved)
    if unproved:
        yield Probe(why="traffic goes only to replicas that answer 200", release=release.number, replicas=unproved)
    yield from _shift(release, observed, missing)
    if missing or any(not r.restarts for r in alive.values()):
        yield SetRestarts(why="what serves comes back after a reboot", release=release.number, restarts=True)


def _is_proved(replica: Replica, release: Release, observed: Observation) -> bool:
    """Whether it answered since it started. What it was given on the strength of that is proof as well."""
    if replica.life in observed.verified:
        return True
    if any(route.service == replica.service for route in release.configuration.routes):
        return any(
            s.address == replica.address and (s.release, s.service, s.index) == replica.key
            for s in observed.traffic.serving
        )
    return replica.restarts


def _shift(release: Release, observed: Observation, missing: Places) -> Iterator[Action]:
    target = table_for(release, observed)
    seen = observed.traffic
    if missing or target.serving != seen.serving or target.claims != seen.claims:
        yield Shift(why=_shift_because(release, seen), release=release.number, table=target)


def wanted_places(release: Release) -> Places:
    """Every replica that the release consists of."""
    return tuple((s, i) for s in release.app_services for i in range(1, s.replicas + 1))


def table_for(release: Release, observed: Observation) -> TrafficTable:
    """The router's table with `release` serving and what is kept of others beside it, ready but idle.

    Servers of replicas whose container is gone are left out.
    """
    living = {r.key: r for r in observed.replicas if r.phase not in GONE}
    places = {(release.number, s.name, i) for s, i in wanted_places(release)}
    entries = []
    for route in sorted(release.configuration.routes):
        serving = [
            Server(release.number, r.service, r.index, r.address, route.port, serving=True)
            for key, r in living.items()
            if key in places and r.service == route.service and r.running
        ]
        known = next((e.servers for e in observed.traffic.routes if e.route.claim == route.claim), ())
        standby = [
            replace(s, serving=False)
            for s in known
            if s.release != release.number
            and (found := living.get((s.release, s.service, s.index))) is not None
            and found.address == s.address
        ]
        entries.append(RoutedServers(route, tuple(sorted([*serving, *standby], key=lambda s: (s.name, s.address)))))
    return TrafficTable(tuple(entries))


def _place(missing: Places, observed: Observation) -> tuple[ReplicaPlace, ...]:
    if observed.network is None:
        return tuple(ReplicaPlace(service, index, UNPLACED) for service, index in missing)
    free = list(islice(free_addresses(observed.network, used_addresses(observed)), len(missing)))
    if len(free) < len(missing):
        raise NoAddress(
            f"{observed.network} has {len(free)} free addresses and {len(missing)} replicas are to be started",
            hint="Lower replicas, or wait until the release before is no longer kept warm.",
        )
    return tuple(ReplicaPlace(service, index, address) for (service, index), address in zip(missing, free, strict=True))


def _missing_because(missing: Places, observed: Observation, release: Release) -> str:
    dead = [r for r in observed.of_release(release.number) if r.phase in GONE]
    if dead:
        return f"{len(dead)} of its containers ended" if dead[0].phase is not Phase.CREATED else "never started"
    if any(r.release == release.number for r in observed.replicas):
        return f"{len(missing)} of its replicas are missing"
    return f"r{release.number} does not run"


def _shift_because(release: Release, seen: TrafficTable) -> str:
    now_serving = sorted({s.release for s in seen.serving})
    if not now_serving:
        return "nothing serves yet"
    if now_serving == [release.number]:
        return "its servers or routes changed"
    return f"{', '.join(f'r{n}' for n in now_serving)} serves"


# --- away from everything else ---------------------------------------------------------------------


def _put_away(desired: Desired, observed: Observation, now: datetime) -> Iterator[Action]:
    wanted = desired.release.number if desired.release and not desired.destroy else None
    known = {r.release for r in observed.replicas} | observed.release_networks | observed.traffic.releases
    others = sorted(known - {wanted})
    warm = _warm(desired, observed, now)

    for number in others:
        if any(r.restarts for r in observed.of_release(number)):
            yield SetRestarts(why=f"r{number} is not to come back after a reboot", release=number, restarts=False)
    if wanted is None and observed.traffic.serving:
        yield Withdraw(why="nothing is to serve", table=observed.traffic.idle())
    for number in others:
        if observed.open_work.get(number) or any(s.release == number for s in observed.traffic.serving):
            yield Drain(why=f"r{number} ends what it has begun", release=number)

    leaving = [number for number in others if number != warm]
    if any(number in observed.traffic.releases for number in leaving) or (desired.destroy and observed.traffic.routes):
        yield Withdraw(why="nobody needs their servers any more", table=_table_after(desired, observed, leaving))
    for number in leaving:
        if observed.of_release(number) or number in observed.release_networks:
            why = "the environment is to go" if desired.destroy else _gone_because(number, observed)
            yield RemoveReplicas(why=why, release=number, replicas=_keys(observed.of_release(number)), whole=True)
    if surplus := _surplus(desired, observed):
        yield RemoveReplicas(why="fewer are wanted", release=surplus[0].release, replicas=_keys(surplus), whole=False)
    if desired.destroy and (observed.network is not None or observed.accessories):
        yield RemoveEnvironment(why="the environment is to go")


def _warm(desired: Desired, observed: Observation, now: datetime) -> int | None:
    """The release that may take the traffic back at once: the last to retire, whole, and not for too long."""
    if desired.release is None or desired.destroy:
        return None
    retired = {n: at for n, at in observed.retired.items() if n != desired.release.number and observed.of_release(n)}
    serving = observed.serving - {desired.release.number}
    if serving:  # not shifted yet: what serves now will be the warm one
        return max(serving)
    if not retired:
        return None
    last = max(retired, key=lambda number: (retired[number], number))
    if now >= retired[last] + timedelta(seconds=desired.release.configuration.strategy.keep_warm):
        return None
    return last if all(r.running for r in observed.of_release(last)) else None


def _table_after(desired: Desired, observed: Observation, leaving: Collection[int]) -> TrafficTable:
    if desired.destroy or desired.release is None:
        return TrafficTable()
    table = table_for(desired.release, observed)
    return table.without(s for e in table.routes for s in e.servers if s.release in leaving)


def _surplus(desired: Desired, observed: Observation) -> tuple[Replica, ...]:
    if desired.release is None or desired.destroy:
        return ()
    places = {(s.name, i) for s, i in wanted_places(desired.release)}
    return tuple(r for r in observed.of_release(desired.release.number) if (r.service, r.index) not in places)


def _keys(replicas: Sequence[Replica]) -> tuple[tuple[str, int], ...]:
    return tuple((r.service, r.index) for r in replicas)


def _gone_because(number: int, observed: Observation) -> str:
    return f"r{number} is no longer kept warm" if number in observed.retired else f"r{number} is not wanted"
