"""What every router promises; the double is held to it like the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.doubles.router import FakeRouter
from tests.integration.routers.world import free_port

from tidegate.adapters.routers.haproxy import HAProxyRouter
from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Balance, Route
from tidegate.domain.traffic import RoutedServers, Server, TrafficTable
from tidegate.errors import RouteTaken
from tidegate.ports.router import Router

SHOP, BLOG = EnvironmentName("shop", "production"), EnvironmentName("blog", "production")
WEB = Route("shop.example.com", "/", "web", 8000, "/health")
API = Route("shop.example.com", "/api", "api", 9000, "/", Balance.LEAST_CONNECTIONS, idle_timeout=5.0)


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Something that answers health checks on every loopback address."""
    server = ThreadingHTTPServer(("0.0.0.0", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["fake", "haproxy"])
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Router]:
    router: Router = FakeRouter() if request.param == "fake" else HAProxyRouter(tmp_path, free_port())
    router.start()
    yield router
    router.stop()


@pytest.fixture
def server(port: int) -> Server:
    return Server(1, "web", 1, "127.0.1.1", port, True)


def table(*servers: Server, route: Route = WEB) -> TrafficTable:
    return TrafficTable((RoutedServers(route, servers),))


def successor(server: Server) -> Server:
    return replace(server, release=server.release + 1, address=f"127.0.1.{server.release + 1}")


def test_nothing_is_known_of_an_environment_that_was_never_applied(router: Router) -> None:
    assert router.observe(SHOP) == TrafficTable()
    assert not router.open_work(SHOP)
    router.take_out(SHOP, Server(1, "web", 1, "127.0.1.1", 8000, True))
    router.cut(SHOP, 1, requests=True, websockets=True)
    router.apply(SHOP, TrafficTable())
    assert router.observe(SHOP) == TrafficTable()


def test_an_applied_table_is_observed(router: Router, server: Server) -> None:
    two = TrafficTable(
        (
            RoutedServers(WEB, (server, replace(server, index=2, address="127.0.1.9", serving=False))),
            RoutedServers(API, (replace(server, service="api", release=10),)),
        )
    )
    router.apply(SHOP, two)
    assert router.observe(SHOP) == two
    router.apply(SHOP, two)
    assert router.observe(SHOP) == two
    reversed_ = TrafficTable(two.routes[::-1])
    router.apply(SHOP, reversed_)
    assert router.observe(SHOP) == reversed_


def test_servers_come_stand_by_return_and_go(router: Router, server: Server) -> None:
    new = successor(server)
    for wanted in (
        table(server),
        table(server, replace(new, serving=False)),
        table(replace(server, serving=False), new),
        table(server, replace(new, serving=False)),
        table(replace(server, serving=False), replace(new, serving=False)),
        table(new),
        table(),
        table(server, new),
    ):
        router.apply(SHOP, wanted)
        assert router.observe(SHOP) == wanted


def test_a_server_may_move_to_another_address(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    moved = replace(server, address="127.0.1.7")
    router.apply(SHOP, table(moved))
    assert router.observe(SHOP) == table(moved)


def test_a_server_taken_out_serves_no_more_until_it_is_wanted_again(router: Router, server: Server) -> None:
    other = replace(server, index=2, address="127.0.1.2")
    router.apply(SHOP, table(server, other))
    for _ in range(2):
        router.take_out(SHOP, server)
        assert router.observe(SHOP) == table(replace(server, serving=False), other)
    router.apply(SHOP, table(server, other))
    assert router.observe(SHOP) == table(server, other)


def test_a_server_that_has_moved_is_not_taken_out_by_its_old_address(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    router.take_out(SHOP, replace(server, address="127.0.1.250"))
    assert router.observe(SHOP) == table(server)


def test_a_claim_is_one_environments(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    theirs = TrafficTable((RoutedServers(replace(API, path="/other"), (server,)), RoutedServers(WEB, (server,))))
    with pytest.raises(RouteTaken, match="shop/production"):
        router.apply(BLOG, theirs)
    assert router.observe(BLOG) == TrafficTable()
    assert router.observe(SHOP) == table(server)


def test_environments_do_not_touch_each_other(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    router.apply(BLOG, table(server, route=API))
    router.apply(SHOP, table(successor(server)))
    router.take_out(SHOP, successor(server))
    assert router.observe(BLOG) == table(server, route=API)
    router.apply(SHOP, TrafficTable())
    assert router.observe(SHOP) == TrafficTable()
    assert router.observe(BLOG) == table(server, route=API)


def test_an_empty_table_gives_the_claims_free(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    router.apply(SHOP, TrafficTable())
    router.apply(BLOG, table(server))
    assert router.observe(BLOG) == table(server)


def test_a_route_may_change_its_settings(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    for route in (replace(WEB, health="/up?deep=1"), replace(WEB, balance=Balance.LEAST_CONNECTIONS), API):
        router.apply(SHOP, table(server, route=route))
        assert router.observe(SHOP) == table(server, route=route)


def test_it_describes_itself(router: Router) -> None:
    assert router.describe().keys() >= {"product", "version", "pid", "http_port", "config", "restarts"}


def test_starting_twice_and_stopping_twice_does_no_harm(router: Router, server: Server) -> None:
    router.apply(SHOP, table(server))
    router.start()
    assert router.observe(SHOP) == table(server)
    router.stop()
    router.stop()
