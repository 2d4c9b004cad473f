"""What every target promises; the double is held to it like the real one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TypeVar

import pytest
from tests.contract.target.rigs import DockerRig, FakeRig, Rig

from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName, accessory_name, release_network, replica_name
from tidegate.domain.observation import Phase
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.domain.service import Role, Service
from tidegate.errors import EngineRefused, ImageMissing, NameTaken
from tidegate.ports.target import ReplicaEvent, Target

SLEEP = {"command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]}
T = TypeVar("T")
numbers = itertools.count()


@pytest.fixture(params=[FakeRig, DockerRig], ids=["fake", "docker"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = request.param()
    rig.used = []
    yield rig
    rig.close(rig.used)


@pytest.fixture
def target(rig: Rig) -> Target:
    return rig.target


@pytest.fixture
def new_environment(rig: Rig) -> Callable[[], EnvironmentName]:
    def make() -> EnvironmentName:
        environment = EnvironmentName(f"t{os.getpid()}", f"e{next(numbers)}")
        rig.used.append(environment)  # type: ignore[attr-defined]
        return environment

    return make


@pytest.fixture
def env(new_environment: Callable[[], EnvironmentName]) -> EnvironmentName:
    return new_environment()


@pytest.fixture
def web(rig: Rig) -> Service:
    return Service("web", Role.APP, rig.image, definition=SLEEP)


def release(env: EnvironmentName, *services: Service, number: int = 1) -> Release:
    configuration = Configuration(services)
    images = {service.name: service.image for service in services}
    return Release(env, number, Artifact("c" * 40, images), configuration, "f", datetime(2026, 1, 1, tzinfo=UTC), "me")


def place(target: Target, env: EnvironmentName, service: Service, index: int = 1, offset: int = 10) -> ReplicaPlace:
    network = target.observe(env).network
    assert network is not None
    return ReplicaPlace(service, index, str(ip_network(network)[offset + index]))


def test_of_an_environment_that_was_never_made_there_is_nothing(target: Target, env: EnvironmentName) -> None:
    view = target.observe(env)
    assert (view.network, view.release_networks, view.replicas, view.accessories) == (None, frozenset(), (), ())
    assert env not in target.environments()
    assert target.volumes(env) == ()
    assert target.containers(env) == {}


def test_an_environments_network_has_room_for_addresses_of_our_own(target: Target, env: EnvironmentName) -> None:
    target.ensure_network(env)
    made = target.observe(env).network
    assert made is not None and ip_network(made).num_addresses == 256
    target.ensure_network(env)
    assert target.observe(env).network == made
    assert env in target.environments()


def test_networks_made_at_once_do_not_overlap(
    target: Target, new_environment: Callable[[], EnvironmentName], web: Service
) -> None:
    environments = [new_environment() for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(target.ensure_network, [*environments, *environments]))
    subnets = [ip_network(target.observe(e).network or "") for e in environments]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(subnets, 2))


def test_a_replica_runs_at_its_address_and_is_adopted_when_asked_for_again(
    target: Target, env: EnvironmentName, web: Service
) -> None:
    target.ensure_network(env)
    r1, where = release(env, web), place(target, env, web)
    started = target.start_replica(r1, where)
    assert (started.release, started.service, started.index) == (1, "web", 1)
    assert (started.phase, started.restarts, started.address) == (Phase.RUNNING, False, where.address)
    assert started.fingerprint == web.fingerprint
    assert target.observe(env).replicas == (started,)
    assert target.inspect(env, started) == started
    assert target.start_replica(r1, where) == started
    assert target.containers(env) == {replica_name(env, 1, "web", 1): started.id}
    assert target.container_health(started) is None


def test_replicas_start_side_by_side_and_one_asked_for_twice_is_made_once(
    target: Target, env: EnvironmentName, web: Service
) -> None:
    target.ensure_network(env)
    r1, places = release(env, web), [place(target, env, web, index) for index in (1, 2, 3)]
    with ThreadPoolExecutor(6) as pool:
        started = list(pool.map(lambda p: target.start_replica(r1, p), [*places, *places]))
    assert started[:3] == started[3:]
    assert [r.address for r in target.observe(env).replicas] == [p.address for p in places]


def test_a_replica_that_ended_is_seen_and_made_anew(rig: Rig, env: EnvironmentName, web: Service) -> None:
    target = rig.target
    target.ensure_network(env)
    r1, where = release(env, web), place(target, env, web)
    first = target.start_replica(r1, where)
    rig.end(first.id)
    seen = until(lambda: target.inspect(env, first), lambda r: r is not None and r.phase is Phase.EXITED)
    assert seen is not None and (seen.exit_code, seen.address) == (137, where.address)
    second = target.start_replica(r1, where)
    assert second.id != first.id and second.running and second.address == where.address
    assert target.inspect(env, first) is None


def test_a_replica_of_another_definition_takes_its_namesakes_place(
    target: Target, env: EnvironmentName, rig: Rig, web: Service
) -> None:
    target.ensure_network(env)
    first = target.start_replica(release(env, web), place(target, env, web))
    changed = Service("web", Role.APP, rig.image, definition={**SLEEP, "environment": {"A": "1"}})
    second = target.start_replica(release(env, changed), place(target, env, changed))
    assert second.id != first.id and second.fingerprint == changed.fingerprint
    assert target.observe(env).replicas == (second,)


def test_a_replica_that_restarts_begins_a_new_life_at_its_old_address(
    rig: Rig, env: EnvironmentName, web: Service
) -> None:
    target = rig.target
    target.ensure_network(env)
    other = target.start_replica(release(env, web), place(target, env, web, 2))
    first = target.start_replica(release(env, web), place(target, env, web))
    target.set_restarts(first, True)
    assert [r.restarts for r in target.observe(env).replicas] == [True, False]
    if isinstance(rig, FakeRig):
        rig.end(first.id)
    else:  # what the engine brings back, as a kill through its API counts as a wish
        rig.client.restart(first.id, timeout=1)  # type: ignore[attr-defined]
    again = until(lambda: target.inspect(env, first), lambda r: r is not None and r.running and r.life != first.life)
    assert again is not None and again.address == first.address
    target.set_restarts(first, False)
    assert not any(r.restarts for r in target.observe(env).replicas)
    assert target.inspect(env, other) == other


def test_a_removed_replica_is_gone_and_may_be_removed_again(target: Target, env: EnvironmentName, web: Service) -> None:
    target.ensure_network(env)
    replica = target.start_replica(release(env, web), place(target, env, web))
    target.remove_replica(replica)
    assert target.observe(env).replicas == ()
    assert target.inspect(env, replica) is None
    target.remove_replica(replica, grace=0)


def test_an_accessory_runs_once_and_is_replaced_when_its_definition_changes(
    rig: Rig, target: Target, env: EnvironmentName
) -> None:
    volume = {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    db = Service("db", Role.ACCESSORY, rig.image, definition={**SLEEP, "volumes": [volume]})
    target.ensure_network(env)
    target.start_accessory(env, db)
    (first,) = target.observe(env).accessories
    assert (first.service, first.phase, first.healthy) == ("db", Phase.RUNNING, True)
    assert first.fingerprint == db.fingerprint
    target.start_accessory(env, db)
    assert target.observe(env).accessories == (first,)
    assert target.observe(env).replicas == ()
    assert target.volumes(env) == (f"{env.slug}_data",)
    changed = Service("db", Role.ACCESSORY, rig.image, definition={**db.definition, "environment": {"A": "1"}})
    target.start_accessory(env, changed)
    (second,) = target.observe(env).accessories
    assert second.id != first.id and second.fingerprint == changed.fingerprint


def test_a_releases_network_is_made_once_and_removed(target: Target, env: EnvironmentName, web: Service) -> None:
    worker = Service("worker", Role.APP, web.image, definition=SLEEP)
    r2 = release(env, web, worker, number=2)
    assert r2.needs_network
    target.ensure_network(env)
    target.ensure_release_network(r2)
    target.ensure_release_network(r2)
    assert target.observe(env).release_networks == {2}
    replica = target.start_replica(r2, place(target, env, web))
    target.remove_replica(replica, grace=0)
    target.remove_release_network(env, 2)
    target.remove_release_network(env, 2)
    assert target.observe(env).release_networks == frozenset()
    assert target.observe(env).network is not None


def test_removing_an_environment_leaves_volumes_and_other_environments(
    rig: Rig, target: Target, new_environment: Callable[[], EnvironmentName]
) -> None:
    env, other = new_environment(), new_environment()
    volume = {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    db = Service("db", Role.ACCESSORY, rig.image, definition={**SLEEP, "volumes": [volume]})
    for each in (env, other):
        target.ensure_network(each)
        target.start_accessory(each, db)
    target.remove_environment(env, volumes=False)
    assert target.observe(env).network is None and target.observe(env).accessories == ()
    assert env not in target.environments()
    assert target.volumes(env) == (f"{env.slug}_data",)
    target.remove_environment(env, volumes=True)
    assert target.volumes(env) == ()
    assert len(target.observe(other).accessories) == 1
    assert target.volumes(other) == (f"{other.slug}_data",)


def test_what_others_made_is_left_alone(rig: Rig, env: EnvironmentName, web: Service) -> None:
    target, r1 = rig.target, release(env, web)
    rig.occupy_network(release_network(env, 1))
    with pytest.raises(NameTaken):
        target.ensure_release_network(r1)
    target.ensure_network(env)
    rig.occupy_container(replica_name(env, 1, "web", 1))
    with pytest.raises(NameTaken):
        target.start_replica(r1, place(target, env, web))
    rig.occupy_container(accessory_name(env, "db"))
    with pytest.raises(NameTaken):
        target.start_accessory(env, Service("db", Role.ACCESSORY, rig.image, definition=SLEEP))
    target.remove_environment(env, volumes=True)


def test_environments_whose_names_run_together_do_not_share(rig: Rig, target: Target) -> None:
    app = f"t{os.getpid()}"
    one, two = EnvironmentName(f"{app}-a", "b"), EnvironmentName(app, "a-b")
    assert one.slug == two.slug
    rig.used += [one, two]  # type: ignore[attr-defined]
    target.ensure_network(one)
    with pytest.raises(NameTaken):
        target.ensure_network(two)
    assert target.observe(two).network is None


def test_an_image_that_is_nowhere_is_missing(rig: Rig, target: Target, env: EnvironmentName) -> None:
    target.ensure_image(rig.image)
    absent = "sha256:" + "0" * 64
    with pytest.raises(ImageMissing):
        target.ensure_image(absent)
    target.ensure_network(env)
    service = Service("web", Role.APP, absent, definition=SLEEP)
    with pytest.raises(ImageMissing):
        target.start_replica(release(env, service), place(target, env, service))


def test_an_address_in_use_is_not_given_twice(target: Target, env: EnvironmentName, web: Service) -> None:
    target.ensure_network(env)
    r1, where = release(env, web), place(target, env, web)
    target.start_replica(r1, where)
    with pytest.raises(EngineRefused):
        target.start_replica(r1, ReplicaPlace(web, 2, where.address))


def test_events_tell_when_a_replica_starts_and_ends(rig: Rig, env: EnvironmentName, web: Service) -> None:
    target = rig.target
    target.ensure_network(env)
    with target.events() as events:
        replica = target.start_replica(release(env, web), place(target, env, web))
        started = next_of(events, env)
        assert started == ReplicaEvent(env, "started", replica.id, 1, "web", 1)
        rig.end(replica.id)
        assert next_of(events, env) == ReplicaEvent(env, "ended", replica.id, 1, "web", 1)
        target.remove_replica(replica)
        assert any(event is None for event in itertools.islice(events, 20)), "one can stop when nothing happens"


def next_of(events: Iterator[ReplicaEvent | None], env: EnvironmentName) -> ReplicaEvent:
    """The next event of this environment; other tests may have theirs at the same time."""
    for event in itertools.islice(events, 200):
        if event is not None and event.environment == env:
            return event
    raise AssertionError("no event came")


def until(look: Callable[[], T], good: Callable[[T], bool]) -> T:
    for _ in range(2_000):
        if good(seen := look()):
            return seen
    raise AssertionError(f"never so: {seen}")
