"""Real HAProxy, real applications: what clients see while the router is told to change."""

from __future__ import annotations

import time

from tests.integration.routers.world import (
    BLOG,
    HOST,
    SHOP,
    Apps,
    Connection,
    ask,
    load,
    route,
    table,
    until,
)

from tidegate.adapters.routers.haproxy import HAProxyRouter
from tidegate.domain.traffic import OpenWork, RoutedServers, TrafficTable

SWITCHES = 20


def test_switches_lose_no_request_and_none_is_answered_by_the_old_release(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    old, new = [apps.start(1, 1), apps.start(1, 2)], [apps.start(2, 1), apps.start(2, 2)]
    router.apply(SHOP, table(*(a.server() for a in old), *(a.server(False) for a in new)))
    shifts: list[tuple[float, float, str]] = []
    with load(port) as clients:
        for number in range(SWITCHES):
            serving, resting = (new, old) if number % 2 == 0 else (old, new)
            begun = time.monotonic()
            router.apply(SHOP, table(*(a.server() for a in serving), *(a.server(False) for a in resting)))
            shifts.append((begun, time.monotonic(), f"r{serving[0].release}"))
            count = len(clients.answers)
            until(lambda count=count: len(clients.answers) > count + 40)  # type: ignore[misc]
    assert not clients.lost
    for (_, applied, release), (following, _, _) in zip(shifts, [*shifts[1:], (time.monotonic(), 0, "")], strict=True):
        within = [answer for asked, answer in clients.answers if applied < asked < following - 0.05]
        assert set(within) <= {release}


def test_reloads_lose_no_request_and_no_kept_connection_is_routed_by_an_old_table(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server(), two.server(False)))
    with load(port) as clients:
        for number in range(6):
            serving, resting = (two, one) if number % 2 == 0 else (one, two)
            kept = [Connection(port) for _ in range(5)]
            assert {connection.ask() for connection in kept} == {f"r{resting.release}"}
            router.apply(BLOG, table(one.server(), to=route("blog.example.com", f"/{number}")))  # a reload
            router.apply(SHOP, table(serving.server(), resting.server(False)))  # none
            assert {connection.ask() for connection in kept} == {f"r{serving.release}"}
            for connection in kept:
                connection.close()
    assert not clients.lost
    assert len(clients.answers) > 20


def test_a_reload_and_a_switch_at_once_route_kept_connections_to_the_new_release(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server()))
    kept = Connection(port)
    assert kept.ask() == "r1"
    router.apply(SHOP, table(two.server(), to=route(path="/")))
    changed = TrafficTable(
        (RoutedServers(route(), (two.server(),)), RoutedServers(route("www.example.com"), (two.server(),)))
    )
    router.apply(SHOP, changed)
    assert kept.ask() == "r2"
    assert ask(port, "www.example.com") == "r2"
    assert router.observe(SHOP) == changed


def test_requests_under_way_are_answered_by_the_release_that_they_went_to(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server(), two.server(False)))
    slow = Connection(port)
    slow.send("/slow")
    until(lambda: router.open_work(SHOP) == {1: OpenWork(requests=1)})
    router.apply(SHOP, table(one.server(False), two.server()))
    assert ask(port) == "r2"
    assert router.open_work(SHOP) == {1: OpenWork(requests=1)}
    router.apply(BLOG, table(one.server(), to=route("blog.example.com")))  # a reload: an old worker has it now
    assert router.open_work(SHOP) == {1: OpenWork(requests=1)}
    one.finish_slow()
    assert slow.answer() == "r1"
    until(lambda: not router.open_work(SHOP))


def test_requests_and_websockets_are_counted_and_cut_apart_in_old_workers_too(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server(), two.server(False)))
    before, slow_before = Connection(port), Connection(port)
    before.upgrade()
    slow_before.send("/slow")
    until(lambda: router.open_work(SHOP) == {1: OpenWork(requests=1, websockets=1)})
    router.apply(BLOG, table(one.server(), to=route("blog.example.com")))  # a reload
    after, slow_after = Connection(port), Connection(port)
    after.upgrade()
    slow_after.send("/slow")
    until(lambda: router.open_work(SHOP) == {1: OpenWork(requests=2, websockets=2)})
    assert (before.echo("still"), after.echo("here")) == ("still", "here")

    router.cut(SHOP, 2, requests=True, websockets=True)
    router.cut(BLOG, 1, requests=True, websockets=True)
    assert router.open_work(SHOP) == {1: OpenWork(requests=2, websockets=2)}
    router.cut(SHOP, 1, requests=True, websockets=False)
    until(lambda: router.open_work(SHOP) == {1: OpenWork(websockets=2)})
    assert slow_before.ended()
    assert (before.echo("still"), after.echo("here")) == ("still", "here")
    router.cut(SHOP, 1, requests=False, websockets=True)
    until(lambda: not router.open_work(SHOP))
    assert before.ended()
    assert after.ended()


def test_removed_servers_are_cut_whether_or_not_it_takes_a_reload(router: HAProxyRouter, apps: Apps, port: int) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server(), two.server(False)))
    first = Connection(port)
    first.upgrade()
    router.apply(SHOP, table(two.server()))
    assert first.ended()
    second = Connection(port)
    second.upgrade()
    router.apply(SHOP, TrafficTable())
    assert second.ended()
    assert "404" in ask(port, HOST)


def test_a_server_taken_out_gets_no_request_even_when_another_takes_its_address(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    one, two = apps.start(1, 1), apps.start(1, 2)
    router.apply(SHOP, table(one.server(), two.server()))
    one.end()
    router.take_out(SHOP, one.server())
    assert {ask(port) for _ in range(6)} == {"r1"}
    assert router.observe(SHOP) == table(one.server(False), two.server())
    router.apply(BLOG, table(two.server(), to=route("blog.example.com")))  # a reload does not bring it back
    assert router.observe(SHOP) == table(one.server(False), two.server())
