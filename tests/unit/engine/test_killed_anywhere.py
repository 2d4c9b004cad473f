"""A rollout killed before or after any of its effects reaches the same end when it is begun again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.doubles.clock import FastClock
from tests.doubles.prober import FakeProber
from tests.doubles.router import FakeRouter
from tests.doubles.store import MemoryStore
from tests.doubles.target import FakeTarget
from tests.unit.planning.simulation import PLACE, release

from tidegate.engine.outside import Memory, Outside, tell_nobody
from tidegate.engine.rollout import bring
from tidegate.ports.store import Intent

EFFECTS = {
    "ensure_network",
    "ensure_release_network",
    "start_accessory",
    "start_replica",
    "set_restarts",
    "remove_replica",
    "remove_release_network",
    "remove_environment",
    "apply",
    "set_intent",
}


class Killed(BaseException):
    """SIGKILL, as far as Python code can tell."""


class Mortal:
    """A port that kills its caller before or after its n-th effect, counted over all ports."""

    def __init__(self, inner: Any, count: list[int], die_at: int, after: bool) -> None:
        self._inner, self._count, self._die_at, self._after = inner, count, die_at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in EFFECTS:
            return found

        def effect(*args: Any, **options: Any) -> Any:
            self._count[0] += 1
            if self._count[0] == self._die_at and not self._after:
                raise Killed
            result = found(*args, **options)
            if self._count[0] == self._die_at and self._after:
                raise Killed
            return result

        return effect


def carry_out(outside: Outside) -> None:
    bring(outside, PLACE, Memory(), tell_nobody, check=lambda: None, preempted=lambda: False)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("die_at", range(1, 16))
@pytest.mark.parametrize("what", ["first", "second", "rollback", "destroy"])
def test_whatever_was_done_the_end_is_the_same(what: str, die_at: int, after: bool) -> None:
    target, router, store, prober, clock = FakeTarget(), FakeRouter(), MemoryStore(), FakeProber(), FastClock()
    outside = Outside(target, router, store, prober, clock)
    for number in (1, 2):
        store.add_release(release(number, web=2, worker=1))
    before = {"first": (), "second": (1,), "rollback": (1, 2), "destroy": (1,)}[what]
    for number in before:
        store.set_intent(PLACE, replace(store.intent(PLACE) or Intent(), wanted=number))
        carry_out(outside)
    wanted = {"first": 1, "second": 2, "rollback": 1, "destroy": None}[what]
    store.set_intent(PLACE, replace(store.intent(PLACE) or Intent(), wanted=wanted, destroy=what == "destroy"))

    count = [0]
    mortal = [Mortal(port, count, die_at, after) for port in (target, router, store)]
    try:
        carry_out(Outside(*mortal, prober, clock))  # type: ignore[arg-type]
    except Killed:
        pass
    else:
        assert count[0] < die_at, "it was to be killed"

    carry_out(outside)
    serving = {server.release for server in router.observe(PLACE).serving}
    there = target.observe(PLACE)
    if wanted is None:
        assert (serving, there.replicas, there.network, there.release_networks) == (set(), (), None, frozenset())
        return
    assert serving == {wanted}
    assert {r.release for r in there.replicas if r.restarts} == {wanted}
    assert sum(r.release == wanted and r.running for r in there.replicas) == 3
    clock.pass_time(100_000)
    carry_out(outside)
    assert {r.release for r in target.observe(PLACE).replicas} == {wanted}
    assert target.observe(PLACE).release_networks == {wanted}
