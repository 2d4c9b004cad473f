"""What to say to a running HAProxy so that its servers become the wanted ones.

Pure: the state as parsed, the commands as data. Serving servers are begun, then seen to be up, and only then are
the others ended: two lists, so that whoever executes them can look in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.adapters.routers.haproxy.configuration import endpoint, server_settings
from tidegate.adapters.routers.haproxy.entry import BACKEND, RouteEntry
from tidegate.domain.traffic import Server

STATE = ("show backend", "show servers state")
SERVER_NAME = re.compile(r"r(\d+)-(.+)-(\d+)")
# srv_admin_state: 0x01 forced, 0x02 inherited, 0x20 unresolved, 0x40 host name (server-t.h, SRV_ADMF_*MAINT)
MAINTENANCE = 0x63
RUNNING = 2  # srv_op_state


@dataclass(frozen=True)
class RunningServer:
    """A server as a worker has it."""

    name: str
    address: str
    port: int
    maintenance: bool
    up: bool

    @property
    def serving(self) -> bool:
        """Whether it may be given requests; its health is another matter."""
        return not self.maintenance


@dataclass(frozen=True)
class Running:
    """Backends of routes with their servers by name."""

    backends: Mapping[str, Mapping[str, RunningServer]] = field(default_factory=dict)


@dataclass(frozen=True)
class Switch:
    """Commands that begin serving, and those that end it."""

    begin: tuple[str, ...]
    end: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.begin or self.end)


def parse_state(text: str) -> Running:
    """Read the answers to `STATE`. Columns are found by their names; a line that is neither is passed over."""
    backends: dict[str, dict[str, RunningServer]] = {}
    columns: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# be_id"):
            columns = {name: number for number, name in enumerate(words[1:])}
        elif columns and len(words) >= len(columns):
            server = RunningServer(
                words[columns["srv_name"]],
                words[columns["srv_addr"]],
                int(words[columns["srv_port"]]),
                bool(int(words[columns["srv_admin_state"]]) & MAINTENANCE),
                int(words[columns["srv_op_state"]]) == RUNNING,
            )
            backends.setdefault(words[columns["be_name"]], {})[server.name] = server
        else:
            backends.setdefault(line, {})
    return Running({name: servers for name, servers in backends.items() if BACKEND.fullmatch(name)})


def plan_switch(running: Running, wanted: Iterable[RouteEntry]) -> Switch:
    """The difference between what runs and the wanted entries, whose backends all run."""
    begin: list[str] = []
    end: list[str] = []
    for entry in wanted:
        names = {server.name for server in entry.servers}
        for backend in entry.backends:
            present = running.backends[backend]
            for server in entry.servers:
                place = f"{backend}/{server.name}"
                begin += _begin(place, server, present.get(server.name), server_settings(entry))
                if not server.serving and server.name in present and present[server.name].serving:
                    end.append(f"set server {place} state maint")
            for name in sorted(present.keys() - names):
                end += removal(f"{backend}/{name}")
    return Switch(tuple(begin), tuple(end))


def unserved(before: Running, after: Running, wanted: Iterable[RouteEntry]) -> tuple[str, ...]:
    """Servers that are to serve and do not: not there, in maintenance, or begun and not up.

    One that served before and is down now is no failure of the switch: its health is watched elsewhere.
    """
    return tuple(
        f"{backend}/{server.name}"
        for entry in wanted
        for backend in entry.backends
        for server in entry.servers
        if server.serving and not _served(before, after, backend, server.name)
    )


def removal(place: str) -> tuple[str, ...]:
    """Remove `backend/server`, with whatever it has open."""
    return (
        f"set server {place} state maint",
        f"shutdown sessions server {place}",
        f"wait 2s srv-removable {place}",
        f"del server {place}",
    )


def to_server(running: RunningServer) -> Server | None:
    """The server that a name, an address and a state stand for; None for a name that is not ours."""
    match = SERVER_NAME.fullmatch(running.name)
    if match is None:
        return None
    return Server(int(match[1]), match[2], int(match[3]), running.address, running.port, running.serving)


def _begin(place: str, server: Server, present: RunningServer | None, settings: str) -> list[str]:
    ready = [f"set server {place} state ready"] if server.serving else []
    if present is None:
        # a new server is in maintenance, and its checks are off, until told otherwise
        return [f"add server {place} {endpoint(server)} {settings}", f"enable health {place}", *ready]
    if (present.address, present.port) != (server.address, server.port):
        # maintenance first: it drops idle connections to whatever had the address before
        move = f"set server {place} addr {server.address} port {server.port}"
        return [f"set server {place} state maint", move, *ready]
    return [] if present.serving else ready


def _served(before: Running, after: Running, backend: str, name: str) -> bool:
    server = after.backends.get(backend, {}).get(name)
    known = before.backends.get(backend, {}).get(name)
    return server is not None and server.serving and (server.up or (known is not None and known.serving))
