"""Which application a request reaches, and what it is told of the client."""

from __future__ import annotations

import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.routers.world import BLOG, SHOP, App, Apps, Connection, ask, free_port, route, table

from tidegate.adapters.routers.haproxy import HAProxyRouter
from tidegate.domain.route import Route
from tidegate.domain.traffic import RoutedServers, TrafficTable
from tidegate.errors import RouterFailed


def routes(*claims: tuple[Route, App]) -> TrafficTable:
    return TrafficTable(tuple(RoutedServers(to, (app.server(),)) for to, app in claims))


def test_the_longest_path_of_the_host_wins_by_whole_segments(router: HAProxyRouter, apps: Apps, port: int) -> None:
    one, two, three, four = (apps.start(number) for number in (1, 2, 3, 4))
    router.apply(
        SHOP, routes((route(), one), (route(path="/api"), two), (route(path="/api/v2/"), three), (route("*"), four))
    )
    router.apply(BLOG, routes((route("api.example.com", "/only"), two)))
    for path, answer in {
        "/": "r1",
        "/apix": "r1",
        "/API": "r1",
        "/?to=/api": "r1",
        "/api": "r2",
        "/api?x=1": "r2",
        "/api/v2x": "r2",
        "/api/v2": "r3",
        "/api/v2/x": "r3",
    }.items():
        assert ask(port, path=path) == answer, path
    for host, answer in {
        "Shop.Example.COM:8080": "r1",
        "shop.example.com.": "r1",
        "other.example.com": "r4",
        "shop.example.com.evil.example": "r4",
        "[::1]:80": "r4",
    }.items():
        assert ask(port, host) == answer, host
    assert ask(port, "api.example.com", "/only/this") == "r2"
    assert "404" in ask(port, "api.example.com", "/else")


def test_an_application_is_told_who_asked_whatever_the_client_claims(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    router.apply(SHOP, routes((route(), apps.start(1))))
    lies = "".join(
        f"{name}: 6.6.6.6\r\n"
        for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Real-IP")
    )
    connection = Connection(port)
    connection.ask()
    router.apply(BLOG, routes((route("blog.example.com"), apps.start(2))))  # a reload: the relay tells the same
    for seen in (connection.ask("/headers", headers=lies), Connection(port).ask("/headers", headers=lies)):
        lines = seen.lower().split("\r\n")
        assert "6.6.6.6" not in seen
        assert lines.count("x-forwarded-for: 127.0.0.1") == 1
        assert "x-forwarded-proto: http" in lines
        assert "x-forwarded-host: shop.example.com" in lines
        assert "relay" not in seen.lower()


def test_nobody_but_a_worker_may_use_the_relay(router: HAProxyRouter, apps: Apps, port: int) -> None:
    router.apply(SHOP, routes((route(), apps.start(1))))
    names = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if "@tidegate-" in line]
    with socket.socket(socket.AF_UNIX) as intruder:
        ours = (Path(str(router.describe()["config"])).read_text().partition("abns@")[2]).split()[0]
        name = next(name for name in names if ours in name)
        intruder.connect("\0" + name[1:].rstrip("@").ljust(107, "\0"))
        intruder.sendall(
            b"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\nGET /headers HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
        )
        assert intruder.recv(4096).startswith(b"HTTP/1.1 403")


def test_what_a_configuration_must_not_hold_never_reaches_one(router: HAProxyRouter, apps: Apps, port: int) -> None:
    app = apps.start(1)
    good = route()
    router.apply(SHOP, routes((good, app)))
    for bad in (
        replace(good, host="a\n  server x 1.1.1.1:1"),
        replace(good, host="A.example.com"),
        replace(good, path="/a b"),
        replace(good, path='/"x'),
        replace(good, path="no-slash"),
        replace(good, health="/x\r\nEvil: 1"),
        replace(good, health="/#"),
        replace(good, idle_timeout=-1.0),
    ):
        with pytest.raises(RouterFailed):
            router.apply(SHOP, routes((bad, app)))
    for server in (
        replace(app.server(), address="1.1.1.1 backup"),
        replace(app.server(), service="x;shutdown"),
        replace(app.server(), port=70000),
    ):
        with pytest.raises((RouterFailed, ValueError)):
            router.apply(SHOP, table(server))
    assert ask(port) == "r1"


def test_only_the_owner_reaches_the_sockets_and_files(router: HAProxyRouter, tmp_path: Path, apps: Apps) -> None:
    router.apply(SHOP, routes((route(), apps.start(1))))
    paths = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert {"runtime.sock", "master.sock", "haproxy.cfg", "routes.map"} <= {path.name for path in paths}
    for path in paths:
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_a_declared_idle_timeout_reuses_connections_and_never_a_stale_one(
    router: HAProxyRouter, apps: Apps, port: int
) -> None:
    """Rounds of requests a little before and after the application closes what is idle."""
    idle = 0.4
    app = apps.start(1, idle=idle)
    router.apply(SHOP, table(app.server(), to=route(idle_timeout=idle)))
    connections = [Connection(port) for _ in range(40)]
    for number in range(8):
        for connection in connections:
            connection.send(method="POST")
        assert {connection.answer() for connection in connections} == {"r1"}
        connections[0].ask()
        # the gaps are what is tested: the application's own timer runs meanwhile
        pause(idle * (0.92 + 0.025 * number))
    for connection in connections:
        connection.close()


def pause(seconds: float) -> None:
    quiet, _other = socket.socketpair()
    quiet.settimeout(seconds)
    with pytest.raises(TimeoutError):
        quiet.recv(1)


def test_a_long_directory_name_is_no_obstacle(tmp_path: Path, apps: Apps) -> None:
    port = free_port()
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    router = HAProxyRouter(deep, port)
    try:
        router.start()
        router.apply(SHOP, routes((route(), apps.start(1))))
        assert ask(port) == "r1"
    finally:
        router.stop()
