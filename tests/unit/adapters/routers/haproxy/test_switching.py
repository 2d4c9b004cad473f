"""From a running table to the wanted one, by commands executed on a model of HAProxy."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.routers.haproxy.entry import RouteEntry
from tidegate.adapters.routers.haproxy.switching import (
    Running,
    RunningServer,
    parse_state,
    plan_switch,
    to_server,
    unserved,
)
from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Route
from tidegate.domain.traffic import Server

SHOP = EnvironmentName("shop", "production")
ROUTE = Route("shop.example.com", "/", "web", 8000, "/health")
BACKEND = RouteEntry(SHOP, 0, ROUTE, ()).backend

servers = st.lists(
    st.builds(
        Server,
        st.integers(1, 3),
        st.just("web"),
        st.integers(1, 2),
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.sampled_from([8000, 9000]),
        st.booleans(),
    ),
    unique_by=lambda server: server.name,
    max_size=6,
).map(tuple)


def execute(running: Running, commands: tuple[str, ...]) -> Running:
    backends = {name: dict(servers) for name, servers in running.backends.items()}
    for command in commands:
        words = command.split()
        verb = " ".join(words[:2])
        if verb in ("enable health", "shutdown sessions") or words[0] == "wait":
            continue
        backend, name = words[2].split("/")
        known = backends[backend].get(name)
        match verb, words[3:]:
            case "add server", [place, *_]:
                assert known is None
                address, port = place.rsplit(":", 1)
                backends[backend][name] = RunningServer(name, address, int(port), True, True)
            case "set server", ["state", state]:
                assert known is not None
                maintenance = state == "maint"
                backends[backend][name] = RunningServer(name, known.address, known.port, maintenance, True)
            case "set server", ["addr", address, "port", port]:
                assert known is not None
                assert known.maintenance
                backends[backend][name] = RunningServer(name, address, int(port), True, True)
            case "del server", []:
                assert known is not None
                assert known.maintenance
                del backends[backend][name]
            case _:
                raise AssertionError(command)
    return Running(backends)


def wanted(servers: tuple[Server, ...]) -> tuple[RouteEntry, ...]:
    return (RouteEntry(SHOP, 0, ROUTE, servers),)


def table(running: Running, backend: str) -> set[Server | None]:
    return {to_server(server) for server in running.backends[backend].values()}


EMPTY: Mapping[str, Mapping[str, RunningServer]] = {BACKEND: {}, f"{BACKEND}-ws": {}}


@given(servers, servers)
def test_any_table_becomes_any_other_and_is_served_throughout(
    before: tuple[Server, ...], after: tuple[Server, ...]
) -> None:
    first = plan_switch(Running(EMPTY), wanted(before))
    running = execute(execute(Running(EMPTY), first.begin), first.end)
    switch = plan_switch(running, wanted(after))
    between = execute(running, switch.begin)
    assert not unserved(running, between, wanted(after))
    end = execute(between, switch.end)
    for backend in EMPTY:
        assert table(end, backend) == set(after)
    assert not plan_switch(end, wanted(after))


@given(servers)
def test_servers_that_have_not_moved_serve_on_until_the_others_do(before: tuple[Server, ...]) -> None:
    first = plan_switch(Running(EMPTY), wanted(before))
    running = execute(Running(EMPTY), first.begin)
    between = execute(running, plan_switch(running, wanted(())).begin)
    assert between == running


def test_the_state_is_read_by_the_names_of_its_columns() -> None:
    text = f"""New server registered.

Done.

# name
tidegate.none
{BACKEND}
{BACKEND}-ws

1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port
2 tidegate.relay 1 new - 2 0 0
3 {BACKEND} 1 r1-web-1 10.0.0.1 2 0 8000
3 {BACKEND} 2 r2-my-app-12 10.0.0.2 0 5 8001
3 {BACKEND} 3 r3-web-1 10.0.0.3 0 4 8002
"""
    running = parse_state(text)
    assert running.backends.keys() == {BACKEND, f"{BACKEND}-ws"}
    assert table(running, BACKEND) == {
        Server(1, "web", 1, "10.0.0.1", 8000, True),
        Server(2, "my-app", 12, "10.0.0.2", 8001, False),
        Server(3, "web", 1, "10.0.0.3", 8002, True),  # `disabled` in its file, and made ready since
    }
    assert not running.backends[BACKEND]["r3-web-1"].up
    assert to_server(RunningServer("stranger", "10.0.0.1", 1, False, True)) is None


def test_a_server_that_was_begun_and_is_not_up_is_told_but_not_one_that_served_before() -> None:
    server = Server(1, "web", 1, "10.0.0.1", 8000, True)
    down = RunningServer(server.name, server.address, server.port, False, False)
    after = Running({BACKEND: {server.name: down}, f"{BACKEND}-ws": {server.name: down}})
    places = (f"{BACKEND}/{server.name}", f"{BACKEND}-ws/{server.name}")
    assert unserved(Running(EMPTY), after, wanted((server,))) == places
    assert not unserved(after, after, wanted((server,)))
    assert unserved(after, Running(EMPTY), wanted((server,))) == places
