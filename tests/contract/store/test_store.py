"""What every store promises; the double is held to it like the real one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.doubles.store import MemoryStore

from tidegate.adapters.stores.sqlite import SqliteStore
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.domain.route import Route
from tidegate.domain.service import Role, Service
from tidegate.ports.store import Intent, Store

T0 = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
ENV, OTHER = EnvironmentName("shop", "staging"), EnvironmentName("shop", "production")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "agent.db", tmp_path / "mirror")


def release(number: int, env: EnvironmentName = ENV) -> Release:
    web = Service("web", Role.APP, "sha256:1", 2, {"command": ["run"], "environment": {"A": "é\n"}})
    configuration = Configuration((web,), (Route("*", "/", "web", 8000, "/health"),))
    return Release(env, number, Artifact("c" * 40, {"web": "sha256:1"}), configuration, f"f{number}", T0, "me")


def test_an_intent_is_what_was_set_last(store: Store) -> None:
    assert store.intent(ENV) is None
    assert list(store.environments()) == []
    store.set_intent(ENV, Intent(wanted=1))
    latest = Intent(wanted=2, serving=1, rollout=7, retired={1: T0, 3: T0 + timedelta(seconds=1.5)})
    store.set_intent(ENV, latest)
    store.set_intent(OTHER, Intent(destroy=True, volumes=True))
    assert store.intent(ENV) == latest
    assert list(store.environments()) == [OTHER, ENV]


def test_releases_are_kept_whole_and_in_order(store: Store) -> None:
    assert store.release(ENV, 1) is None
    assert list(store.releases(ENV)) == []
    for number in (1, 2, 10):
        store.add_release(release(number))
    store.add_release(release(1, OTHER))
    assert list(store.releases(ENV)) == [release(1), release(2), release(10)]
    assert store.release(ENV, 2) == release(2)
    assert store.release(OTHER, 2) is None


def test_a_number_is_never_given_twice(store: Store) -> None:
    assert store.next_number(ENV) == 1
    store.add_release(release(1))
    store.add_release(release(2))
    assert store.next_number(ENV) == 3
    assert store.next_number(OTHER) == 1
    store.forget(ENV)
    assert store.next_number(ENV) == 3


def test_a_forgotten_environment_leaves_its_history(store: Store) -> None:
    for env in (ENV, OTHER):
        store.set_intent(env, Intent(wanted=1))
        store.add_release(release(1, env))
        store.record_delivery(env, "c", 1)
        store.begin(env, at=T0, by="me", what="deploy", why="", release=1)
    store.forget(ENV)
    store.forget(ENV)
    assert store.intent(ENV) is None and list(store.releases(ENV)) == [] and store.delivered(ENV, "c") is None
    assert len(store.history(ENV)) == 1
    assert list(store.environments()) == [OTHER]
    assert store.intent(OTHER) == Intent(wanted=1) and store.delivered(OTHER, "c") == 1


def test_a_commit_became_the_release_that_was_recorded_last(store: Store) -> None:
    assert store.delivered(ENV, "c") is None
    store.record_delivery(ENV, "c", 1)
    store.record_delivery(ENV, "c", 2)
    assert store.delivered(ENV, "c") == 2
    assert store.delivered(OTHER, "c") is None


def test_history_is_newest_first(store: Store) -> None:
    first = store.begin(ENV, at=T0, by="ann", what="deploy", why="to see", release=1)
    second = store.begin(ENV, at=T0 + timedelta(seconds=1), by="bob", what="destroy", why="", release=None)
    store.begin(OTHER, at=T0, by="ann", what="deploy", why="", release=1)
    store.finish(first, outcome="failed", error="not-ready", seconds=1.25)
    newest, oldest = store.history(ENV)
    assert (newest.id, newest.by, newest.what, newest.release, newest.outcome) == (second, "bob", "destroy", None, None)
    assert (oldest.id, oldest.at, oldest.why, oldest.release) == (first, T0, "to see", 1)
    assert (oldest.outcome, oldest.error, oldest.seconds) == ("failed", "not-ready", 1.25)
    assert [entry.id for entry in store.history(ENV, limit=1)] == [second]
    store.finish(second, outcome="completed", error=None, seconds=1, release=4)
    assert store.history(ENV)[0].release == 4
    store.finish(9999, outcome="completed", error=None, seconds=0)


def test_events_come_back_in_order(store: Store) -> None:
    for n in range(3):
        store.add_events([(1, {"n": n, "text": "ü\x1b[0m", "nested": {"list": [1, None]}})])
    store.add_events([(2, {"n": 9})])
    assert [event["n"] for event in store.events(1)] == [0, 1, 2]
    assert store.events(1)[0] == {"n": 0, "text": "ü\x1b[0m", "nested": {"list": [1, None]}}
    assert list(store.events(3)) == []


def test_threads_do_not_get_into_each_others_way(store: Store) -> None:
    environments = [EnvironmentName("app", f"e{n}") for n in range(6)]

    def work(env: EnvironmentName) -> list[int]:
        ids = []
        for n in range(1, 11):
            assert store.next_number(env) == n
            store.add_release(release(n, env))
            store.set_intent(env, Intent(wanted=n))
            ids.append(store.begin(env, at=T0, by="me", what="deploy", why="", release=n))
            store.add_events([(ids[-1], {"n": n})])
            intent = store.intent(env)
            assert intent is not None and intent.wanted == n
        return ids

    with ThreadPoolExecutor(len(environments)) as pool:
        ids = [n for each in pool.map(work, environments) for n in each]
    assert len(set(ids)) == 60
    assert all([e["n"] for e in store.events(n)] != [] for n in ids)
    assert all(len(store.releases(env)) == 10 for env in environments)
