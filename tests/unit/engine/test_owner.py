"""Rollouts as an environment's owner carries them out, against doubles that keep the ports' contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.doubles.clock import FastClock
from tests.doubles.prober import FakeProber
from tests.doubles.router import FakeRouter
from tests.doubles.store import MemoryStore
from tests.doubles.target import FakeTarget

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Strategy
from tidegate.domain.route import Route
from tidegate.domain.service import Role, Service
from tidegate.engine.outside import Outside
from tidegate.engine.owners import Owners
from tidegate.engine.requests import Request
from tidegate.engine.story import Story
from tidegate.errors import StoreFailed
from tidegate.ports.prober import Answer, ProbeResult

SHOP = EnvironmentName("shop", "staging")
STRATEGY = Strategy(start_within=5.0, keep_warm=600.0)


def request(version: int, *, replicas: int = 2, host: str = "shop.test", **more: Any) -> Request:
    image = f"sha256:{version:064x}"
    web = Service("web", Role.APP, image, replicas=replicas)
    configuration = Configuration((web,), (Route(host, "/", "web", 8000, "/health"),), STRATEGY)
    artifact = Artifact(f"{version:040x}", {"web": image})
    return Request("deploy", by="someone", artifact=artifact, configuration=configuration, **more)


ROLLBACK = Request("rollback", by="someone")


@dataclass
class Machine:
    target: FakeTarget
    router: FakeRouter
    store: MemoryStore
    prober: FakeProber
    clock: FastClock
    owners: Owners
    faults: list[BaseException]

    def ask(self, what: Request, environment: EnvironmentName = SHOP) -> list[dict[str, Any]]:
        """Events up to the end of the rollout."""
        return told(self.owners.submit(environment, what))

    def serving(self, environment: EnvironmentName = SHOP) -> set[int]:
        return {server.release for server in self.router.observe(environment).serving}

    def restarted(self) -> Machine:
        """The same machine with a new agent."""
        self.owners.stop()
        outside = Outside(self.target, self.router, self.store, self.prober, self.clock)
        self.owners = Owners(outside, self.faults.append)
        self.owners.start()
        return self


def told(story: Story, until: str = "finished") -> list[dict[str, Any]]:
    events = []
    for event in story.follow(beat=5.0):
        assert event is not None, f"nothing happens any more: {events}"
        events.append(event)
        if event["kind"] == until:
            return events
    return events


@pytest.fixture
def machine() -> Iterator[Machine]:
    outside = Outside(FakeTarget(), FakeRouter(), MemoryStore(), FakeProber(), FastClock())
    faults: list[BaseException] = []
    owners = Owners(outside, faults.append)
    made = Machine(
        outside.target, outside.router, outside.store, outside.prober, outside.clock, owners, faults  # type: ignore[arg-type]
    )  # fmt: skip
    owners.start()
    yield made
    made.owners.stop()
    assert not faults


def test_a_deployment_serves_and_is_told_in_order(machine: Machine) -> None:
    events = machine.ask(request(1))
    assert machine.serving() == {1}
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "accepted"
    assert kinds.index("release") < kinds.index("step") < kinds.index("shifted") < kinds.index("finished")
    assert events[-1]["outcome"] == "completed"
    assert [event["seq"] for event in events] == list(range(len(events)))
    machine.owners.stop()
    assert machine.store.events(events[0]["rollout"])[: len(events)] == events


def test_the_same_again_changes_nothing(machine: Machine) -> None:
    machine.ask(request(1))
    before = dict(machine.target.made)
    events = machine.ask(request(1))
    assert events[-1]["outcome"] == "unchanged"
    assert machine.target.made == before


def test_an_artifact_that_was_here_before_is_the_same_release(machine: Machine) -> None:
    for version in (1, 2, 1):
        machine.ask(request(version))
    assert [release.number for release in machine.store.releases(SHOP)] == [1, 2]
    assert machine.serving() == {1}


def test_a_replica_that_ends_at_once_fails_the_rollout_and_the_old_release_serves(machine: Machine) -> None:
    machine.ask(request(1))
    machine.target.exits_at_once["web"] = 3
    machine.prober.answer = ProbeResult(Answer.REFUSED, "connection refused")
    failed = next(event for event in machine.ask(request(2)) if event["kind"] == "failed")
    assert failed["error"]["code"] == "replica-exited"
    assert "exit code 3" in failed["error"]["message"]
    assert failed["serving"] == 1
    assert machine.serving() == {1}
    machine.prober.answer = ProbeResult(Answer.OK, "200 OK")
    machine.target.exits_at_once.clear()
    assert machine.ask(request(3))[-1]["outcome"] == "completed"
    assert {r.release for r in machine.target.observe(SHOP).replicas} == {1, 3}, "what failed is left over"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (ProbeResult(Answer.REFUSED, "connection refused"), "0.0.0.0"),
        (ProbeResult(Answer.CLIENT_ERROR, "404 Not Found"), "health"),
        (ProbeResult(Answer.REDIRECTED, "302 Found"), "redirect"),
        (ProbeResult(Answer.SERVER_ERROR, "500 Internal Server Error"), "log lines"),
    ],
)
def test_what_never_answers_200_fails_by_what_it_answered(machine: Machine, answer: ProbeResult, hint: str) -> None:
    machine.ask(request(1))
    machine.prober.answer = answer
    error = machine.ask(request(2))[-1]["error"]
    assert error["code"] == "not-ready"
    assert answer.text in error["message"]
    assert hint in error["hint"]
    assert machine.serving() == {1}


def test_a_first_deployment_that_fails_leaves_no_container(machine: Machine) -> None:
    machine.prober.answer = ProbeResult(Answer.REFUSED, "connection refused")
    assert machine.ask(request(1))[-1]["outcome"] == "failed"
    machine.prober.answer = ProbeResult(Answer.OK, "200 OK")
    assert machine.ask(request(2))[-1]["outcome"] == "completed"
    assert {r.release for r in machine.target.observe(SHOP).replicas} == {2}


def test_a_rollback_goes_to_what_served_before_and_starts_nothing(machine: Machine) -> None:
    machine.ask(request(1))
    machine.ask(request(2))
    events = machine.ask(ROLLBACK)
    assert machine.serving() == {1}
    assert not [e for e in events if e["kind"] == "step" and e["what"].startswith("start")]


def test_two_rollbacks_go_back_two_releases_and_never_to_what_was_left(machine: Machine) -> None:
    for version in (1, 2, 3):
        machine.ask(request(version))
    machine.ask(ROLLBACK)
    assert machine.serving() == {2}
    machine.ask(ROLLBACK)
    assert machine.serving() == {1}
    assert machine.ask(ROLLBACK)[-1]["error"]["code"] == "nothing-to-roll-back"
    machine.ask(Request("rollback", by="someone", release=3))
    assert machine.serving() == {3}


def test_without_routes_a_release_serves_and_a_failed_one_leaves_it_alone(machine: Machine) -> None:
    def unrouted(version: int) -> Request:
        asked = request(version)
        assert asked.configuration is not None
        return replace(asked, configuration=replace(asked.configuration, routes=()))

    assert machine.ask(unrouted(1))[-1]["outcome"] == "completed"
    assert machine.ask(unrouted(1))[-1]["outcome"] == "unchanged"
    machine.target.exits_at_once["web"] = 1
    assert machine.ask(unrouted(2))[-1]["outcome"] == "failed"
    assert {r.release for r in machine.target.observe(SHOP).replicas if r.running} == {1}


def test_an_accessory_that_does_not_become_healthy_stops_the_rollout(machine: Machine) -> None:
    machine.ask(request(1))
    asked = request(2)
    assert asked.configuration is not None
    database = Service("db", Role.ACCESSORY, "postgres:17", definition={"healthcheck": {"test": ["CMD", "true"]}})
    services = (*asked.configuration.services, database)
    machine.target.health["db"] = "starting"
    events = machine.ask(replace(asked, configuration=replace(asked.configuration, services=services)))
    assert events[-1]["error"]["code"] == "accessory-failed"
    assert machine.serving() == {1}


def test_one_replica_that_ends_decides_while_another_is_still_silent(machine: Machine) -> None:
    machine.ask(request(1))
    machine.prober.answer = ProbeResult(Answer.TIMED_OUT, "no answer within 2 s")
    story = machine.owners.submit(SHOP, request(2))
    told(story, until="probe")
    began = machine.clock.monotonic()
    victim = next(r for r in machine.target.observe(SHOP).replicas if r.release == 2)
    machine.target.end(victim.id, 1)
    assert told(story)[-1]["error"]["code"] == "replica-exited"
    assert machine.clock.monotonic() - began < STRATEGY.start_within


def test_what_was_never_deployed_cannot_be_destroyed(machine: Machine) -> None:
    assert machine.ask(Request("destroy", by="someone"))[-1]["error"]["code"] == "unknown-environment"


def test_a_disk_that_fails_at_the_end_does_not_end_the_owner(machine: Machine) -> None:
    finish = machine.store.finish
    machine.store.finish = lambda *_, **__: (_ for _ in ()).throw(StoreFailed("the disk is full"))  # type: ignore[method-assign]
    assert machine.ask(request(1))[-1]["kind"] == "finished"
    machine.store.finish = finish  # type: ignore[method-assign]
    assert machine.ask(request(2))[-1]["outcome"] == "completed"
    assert [fault.code for fault in machine.faults if isinstance(fault, StoreFailed)] == ["store-failed"]
    machine.faults.clear()


def test_there_is_nothing_to_roll_back_to_at_first(machine: Machine) -> None:
    machine.ask(request(1))
    assert machine.ask(ROLLBACK)[-1]["error"]["code"] == "nothing-to-roll-back"
    assert machine.ask(Request("rollback", by="someone", release=9))[-1]["error"]["code"] == "no-such-release"
    assert machine.serving() == {1}


def test_a_rollback_skips_releases_that_never_served(machine: Machine) -> None:
    machine.ask(request(1))
    machine.prober.answer = ProbeResult(Answer.REFUSED, "connection refused")
    machine.ask(request(2))
    machine.prober.answer = ProbeResult(Answer.OK, "200 OK")
    machine.ask(request(3))
    machine.ask(ROLLBACK)
    assert machine.serving() == {1}


def test_an_image_that_is_not_to_be_had_is_told_before_anything_is_touched(machine: Machine) -> None:
    machine.ask(request(1))
    machine.target.missing_images.add(f"sha256:{2:064x}")
    events = machine.ask(request(2))
    assert events[-1]["error"]["code"] == "image-missing"
    assert not [e for e in events if e["kind"] == "step"]
    assert [r.number for r in machine.store.releases(SHOP)] == [1]


def test_a_route_that_another_environment_has_is_refused_before_anything_is_started(machine: Machine) -> None:
    other = EnvironmentName("shop", "production")
    machine.ask(request(1))
    events = machine.ask(request(1), other)
    assert events[-1]["error"]["code"] == "route-taken"
    assert machine.target.observe(other).replicas == ()


def test_abort_before_the_shift_leaves_the_old_release(machine: Machine) -> None:
    machine.ask(request(1))
    machine.prober.answer = ProbeResult(Answer.REFUSED, "connection refused")
    story = machine.owners.submit(SHOP, request(2))
    told(story, until="probe")
    owner = machine.owners.owner(SHOP)
    assert owner is not None
    assert owner.abort()
    assert told(story)[-1]["outcome"] == "aborted"
    assert machine.serving() == {1}


def test_of_those_that_wait_only_the_newest_is_carried_out(machine: Machine) -> None:
    machine.ask(request(1))
    machine.prober.first = [ProbeResult(Answer.REFUSED, "connection refused")] * 150
    running = machine.owners.submit(SHOP, request(2))
    told(running, until="probe")
    waiting = machine.owners.submit(SHOP, request(3))
    newest = machine.owners.submit(SHOP, request(4))
    assert told(waiting)[-1]["outcome"] == "superseded"
    assert told(running)[-1]["outcome"] == "completed"
    assert told(newest)[-1]["outcome"] == "completed"
    assert machine.store.releases(SHOP)[-1].artifact.commit == f"{4:040x}"
    assert machine.serving() == {machine.store.releases(SHOP)[-1].number}


def test_a_new_agent_goes_on_with_what_was_begun(machine: Machine) -> None:
    machine.ask(request(1))
    machine.prober.answer = ProbeResult(Answer.REFUSED, "connection refused")
    story = machine.owners.submit(SHOP, request(2))
    told(story, until="probe")
    machine.owners.stop()
    machine.prober.answer = ProbeResult(Answer.OK, "200 OK")
    machine.restarted()
    owner = machine.owners.owner(SHOP)
    assert owner is not None
    resumed = owner.story(story.rollout)
    assert resumed is not None
    assert told(resumed)[-1]["outcome"] == "completed"
    assert machine.serving() == {2}


def test_a_dead_container_is_taken_out_and_what_is_wanted_comes_back(machine: Machine) -> None:
    machine.ask(request(1))
    victim = machine.target.observe(SHOP).replicas[0]
    machine.target.remove_replica(victim)
    for _ in range(500):
        serving = {s.address for s in machine.router.observe(SHOP).serving}
        running = {r.address for r in machine.target.observe(SHOP).replicas if r.running}
        if len(running) == 2 and serving == running:
            return
        machine.clock.sleep(0.01)
        import time

        time.sleep(0.01)
    raise AssertionError("it was not mended")


def test_destroying_leaves_nothing_and_the_history(machine: Machine) -> None:
    machine.ask(request(1))
    assert machine.ask(Request("destroy", by="someone", why="over"))[-1]["outcome"] == "completed"
    assert machine.target.observe(SHOP).replicas == ()
    assert machine.target.observe(SHOP).network is None
    assert machine.router.observe(SHOP).routes == ()
    assert machine.store.history(SHOP)[0].why == "over"
    assert machine.ask(request(2))[-1]["outcome"] == "completed"


def test_a_plan_that_is_no_longer_true_is_refused(machine: Machine) -> None:
    machine.ask(request(1))
    assert machine.ask(request(2, if_plan="0" * 16))[-1]["error"]["code"] == "stale-plan"
    assert machine.serving() == {1}
