"""What a route becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.adapters.routers.haproxy.configuration import HEADER, NO_ROUTE, base, map_file, route_file
from tidegate.adapters.routers.haproxy.entry import RouteEntry, entries_of, from_json, to_json
from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Balance, Route
from tidegate.domain.traffic import RoutedServers, Server, TrafficTable

SHOP = EnvironmentName("shop", "production")
WEB = Route("shop.example.com", "/", "web", 8000, "/health")
ONE = Server(1, "web", 1, "10.0.0.1", 8000, True)
TWO = Server(2, "web", 1, "fd00::2", 8000, False)
ENTRY = RouteEntry(SHOP, 0, WEB, (ONE, TWO))


def settings(entry: RouteEntry) -> list[str]:
    return [line.strip() for line in route_file(entry).splitlines()]


def test_a_file_says_in_its_first_line_what_it_is_made_of() -> None:
    first = route_file(ENTRY).splitlines()[0]
    assert from_json(first.removeprefix(HEADER)) == ENTRY


def test_every_server_is_in_both_backends_and_one_that_stands_by_is_disabled() -> None:
    lines = settings(ENTRY)
    assert lines.count("server r1-web-1 10.0.0.1:8000 check inter 1s fall 3 rise 1") == 2
    assert lines.count("server r2-web-1 [fd00::2]:8000 check inter 1s fall 3 rise 1 disabled") == 2
    assert lines.count(f"backend {ENTRY.backend} from tidegate") == 1
    assert lines.count(f"backend {ENTRY.backend}-ws from tidegate") == 1


def test_connections_are_closed_unless_the_idle_timeout_is_declared_and_not_too_short() -> None:
    assert settings(ENTRY).count("option http-server-close") == 2
    reusing = settings(replace(ENTRY, route=replace(WEB, idle_timeout=5.0)))
    assert "http-reuse safe" in reusing
    assert "http-request set-bc-tos date(0,ms),div(1666),mod(63),mul(4)" in reusing
    assert reusing.count("option http-server-close") == 1  # upgraded connections are nobody else's anyway
    assert "http-reuse safe" not in settings(replace(ENTRY, route=replace(WEB, idle_timeout=0.1)))


@pytest.mark.parametrize(
    "change",
    [{"health": "/up"}, {"balance": Balance.LEAST_CONNECTIONS}, {"idle_timeout": 1.0}, {"path": "/a"}, {"host": "*"}],
)
def test_every_setting_gives_the_backend_another_name(change: dict[str, object]) -> None:
    assert replace(ENTRY, route=replace(WEB, **change)).backend != ENTRY.backend  # type: ignore[arg-type]
    assert replace(ENTRY, servers=(ONE,), position=3).backend == ENTRY.backend


def test_names_of_environments_that_look_alike_do_not_meet() -> None:
    one = replace(ENTRY, environment=EnvironmentName("a-b", "c"))
    other = replace(ENTRY, environment=EnvironmentName("a", "b-c"))
    assert one.backend != other.backend


def test_a_host_that_is_named_is_no_longer_any_host() -> None:
    api = replace(ENTRY, route=replace(WEB, path="/api/"))
    everything = replace(ENTRY, route=replace(WEB, host="*"))
    assert map_file([api, everything]).splitlines() == [
        f"*/ {everything.backend}",
        f"shop.example.com/ {NO_ROUTE}",
        f"shop.example.com/api/ {api.backend}",
    ]
    assert map_file([ENTRY]) == f"shop.example.com/ {ENTRY.backend}\n"


@pytest.mark.parametrize(
    ("route", "server"),
    [
        (replace(WEB, host=""), ONE),
        (replace(WEB, host="-x.example.com"), ONE),
        (replace(WEB, host="x.example.com\nglobal"), ONE),
        (replace(WEB, path="/ a"), ONE),
        (replace(WEB, path="/a\n"), ONE),
        (replace(WEB, health="/$HOME"), ONE),
        (replace(WEB, health="/`id`"), ONE),
        (replace(WEB, health="/\\"), ONE),
        (replace(WEB, idle_timeout=float("nan")), ONE),
        (WEB, replace(ONE, service="a b")),
        (WEB, replace(ONE, service="a\nb")),
        (WEB, replace(ONE, address="localhost")),
        (WEB, replace(ONE, address="10.0.0.1:80 weight 0")),
        (WEB, replace(ONE, port=0)),
        (WEB, replace(ONE, release=-1)),
    ],
)
def test_what_means_something_to_haproxy_is_refused(route: Route, server: Server) -> None:
    with pytest.raises(ValueError, match=r"."):
        entries_of(SHOP, TrafficTable((RoutedServers(route, (server,)),)))
    with pytest.raises(ValueError, match=r"."):
        from_json(to_json(RouteEntry(SHOP, 0, route, (server,))))


def test_two_claims_of_one_place_are_refused() -> None:
    twice = TrafficTable((RoutedServers(replace(WEB, path="/a"), ()), RoutedServers(replace(WEB, path="/a/"), ())))
    with pytest.raises(ValueError, match="twice"):
        entries_of(SHOP, twice)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"app": 1}', "backend x", '{"route": []}'])
def test_a_line_that_is_no_entry_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


def test_the_base_drops_privileges_and_binds_what_there_is() -> None:
    plain = base(http_port=8080, relay="r", secret="s", user=None, ipv6=False)
    assert "  user " not in plain
    assert "v6only" not in plain
    full = base(http_port=8080, relay="r", secret="s", user="haproxy", ipv6=True)
    assert "  user haproxy\n  group haproxy\n" in full
    assert "  bind :::8080 v6only\n" in full
    assert "unix@runtime.sock mode 600" in full
