"""The router port, kept by HAProxy: what is asked for becomes files, then commands, then is seen to be so.

It decides nothing about releases. Files come before the running process, which can thus be restarted at any moment;
only `take_out` acts first and writes after, because a dead address must not wait for a disk.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tidegate.adapters.routers.haproxy.configuration import base
from tidegate.adapters.routers.haproxy.entry import UPGRADED, RouteEntry, entries_of, prefix
from tidegate.adapters.routers.haproxy.persisted import BASE, PersistedRoutes
from tidegate.adapters.routers.haproxy.process import HAProxyProcess, find_program, refuse_taken
from tidegate.adapters.routers.haproxy.runtime import Runtime, RuntimeGone
from tidegate.adapters.routers.haproxy.supervision import Supervision
from tidegate.adapters.routers.haproxy.switching import (
    SERVER_NAME,
    STATE,
    Running,
    parse_state,
    plan_switch,
    to_server,
    unserved,
)
from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Route
from tidegate.domain.traffic import OpenWork, RoutedServers, Server, TrafficTable
from tidegate.errors import RouterFailed, RouteTaken

BACK_WITHIN = 5.0  # seconds that a call waits for an HAProxy that is being restarted
T = TypeVar("T")


class HAProxyRouter:
    """One HAProxy for all environments of a host; everything it keeps lies under `directory`."""

    def __init__(self, directory: Path, http_port: int, binary: str = "haproxy") -> None:
        self._directory = directory
        self._port = http_port
        self._binary = binary
        self._persisted = PersistedRoutes(directory)
        self._runtime = Runtime(directory)
        self._changing = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._process: HAProxyProcess | None = None
        self._supervision: Supervision | None = None
        self._version: str | None = None

    # --- its life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Adopt or start HAProxy; keep it up from now on. Raises `PortTaken`, `ToolMissing`, `RouterFailed`."""
        with self._changing:
            if self._supervision is not None:
                return
            process = HAProxyProcess(self._directory, find_program(self._binary))
            if process.running() is not None and f"  bind :{self._port}\n" not in self._persisted.base():
                refuse_taken(self._port)
            try:
                changed = self._persisted.load()
                changed = self._persisted.write_base(self._base()) or changed
            except OSError as error:
                raise RouterFailed(f"the router's files cannot be kept in {self._directory}: {error}") from error
            self._process = process
            pid = self._adopt(process, changed) or self._bring_up()
            self._supervision = Supervision(pid, self._bring_up, self._tell_restart)

    def stop(self) -> None:
        """End HAProxy, at once."""
        self.release_control()
        with self._changing:
            if self._directory.is_dir():
                (self._process or HAProxyProcess(self._directory, find_program(self._binary))).end()

    def release_control(self) -> None:
        """Stop supervising; HAProxy goes on."""
        with self._changing:
            supervision, self._supervision = self._supervision, None
        if supervision is not None:  # without the lock: a listener in its thread may want it
            supervision.end()

    def on_restart(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each restart, from the supervising thread."""
        self._listeners.append(listener)

    def describe(self) -> dict[str, object]:
        """For people."""
        supervision = self._supervision
        with contextlib.suppress(RouterFailed):
            self._version = self._runtime.version()
        return {
            "product": "HAProxy",
            "version": self._version,
            "pid": self._process.running() if self._process else None,
            "http_port": self._port,
            "config": str(self._directory / BASE),
            "restarts": supervision.restarts if supervision else 0,
        }

    # --- what it is asked -------------------------------------------------------------------------

    def observe(self, environment: EnvironmentName) -> TrafficTable:
        """Routes as persisted, servers and what they do as HAProxy has them."""
        entries = self._persisted.of(environment)
        if not entries:
            return TrafficTable()
        running = self._persevere(self._state)
        return TrafficTable(
            tuple(
                RoutedServers(entry.route, _servers(running, entry.backend))
                for entry in entries
                if entry.backend in running.backends
            )
        )

    def open_work(self, environment: EnvironmentName) -> dict[int, OpenWork]:
        """Open requests and upgraded connections by release, in all workers."""
        counts = self._persevere(lambda: self._runtime.open_sessions(prefix(environment)))
        work: dict[int, OpenWork] = {}
        for (backend, server), count in counts.items():
            release = _release(server)
            if release is None or not count:
                continue
            known = work.get(release, OpenWork())
            work[release] = (
                replace(known, websockets=known.websockets + count)
                if backend.endswith(UPGRADED)
                else replace(known, requests=known.requests + count)
            )
        return work

    # --- what it is told --------------------------------------------------------------------------

    def apply(self, environment: EnvironmentName, table: TrafficTable) -> None:
        """Make the running table equal `table`. Raises `RouteTaken`, `RouterFailed`."""
        try:
            wanted = entries_of(environment, table)
        except ValueError as error:
            raise RouterFailed(f"{environment} has a route that the router cannot keep: {error}") from error
        with self._changing:
            self._refuse_taken(wanted)
            before = self._persisted.of(environment)
            others = [e for e in self._persisted.entries.values() if e.environment != environment]
            if self._persevere(self._state).backends.keys() == _backends([*others, *wanted]):
                self._switch(before, wanted)
            else:
                self._reroute(environment, before, wanted)

    def take_out(self, environment: EnvironmentName, server: Server) -> None:
        """Put a server into maintenance now, and for every start to come."""
        with self._changing:
            entries = self._persisted.of(environment)
            after = tuple(replace(e, servers=tuple(_without(s, server) for s in e.servers)) for e in entries)
            affected = [new for old, new in zip(entries, after, strict=True) if _has(old, server)]
            if not affected:
                return
            gone: RuntimeGone | None = None
            try:
                self._maintain(affected, server)
            except RuntimeGone as error:
                gone = error
            self._persist(entries, after)
            if gone is not None:  # it may have been started from the files as they were before
                self._persevere(lambda: self._maintain(affected, server))

    def cut(self, environment: EnvironmentName, release: int, *, requests: bool, websockets: bool) -> None:
        """End what a release has open, in all workers."""

        def unwanted(backend: str, server: str) -> bool:
            kind = websockets if backend.endswith(UPGRADED) else requests
            return kind and backend.startswith(prefix(environment)) and _release(server) == release

        running = self._persevere(self._state)
        places = [(b, s) for b, servers in running.backends.items() for s in servers if unwanted(b, s)]
        self._persevere(lambda: self._runtime.end_sessions(places, unwanted))

    # --- how --------------------------------------------------------------------------------------

    def _adopt(self, process: HAProxyProcess, changed: bool) -> int | None:
        """Take over an HAProxy that runs, and bring it up to its files where they say more than it does."""
        pid = process.running()
        if pid is None:
            return None
        try:
            if changed or self._state().backends.keys() != _backends(self._persisted.entries.values()):
                self._runtime.reload()
        except RuntimeGone:
            return None
        return pid

    def _switch(self, before: Sequence[RouteEntry], wanted: Sequence[RouteEntry]) -> None:
        self._persist(before, wanted)
        try:
            self._persevere(lambda: self._serve(wanted))
        except RouterFailed:
            self._undo(before, wanted)
            raise

    def _undo(self, before: Sequence[RouteEntry], wanted: Sequence[RouteEntry]) -> None:
        self._persist(wanted, before)
        with contextlib.suppress(RouterFailed):  # why the change failed is what matters, not this
            self._reload()
            self._serve(before)

    def _serve(self, wanted: Sequence[RouteEntry]) -> None:
        running = self._state()
        switch = plan_switch(running, wanted)
        if not switch:
            return
        answer = self._runtime.tell((*switch.begin, *STATE))
        missing = unserved(running, parse_state(answer), wanted)
        if missing:
            raise RouterFailed(f"HAProxy does not serve {', '.join(missing)}", details=_words(answer))
        if switch.end:
            answer = self._runtime.tell((*switch.end, *STATE))
            if plan_switch(parse_state(answer), wanted).end:
                raise RouterFailed("HAProxy did not take out what it was told to", details=_words(answer))

    def _reroute(
        self, environment: EnvironmentName, before: Sequence[RouteEntry], wanted: Sequence[RouteEntry]
    ) -> None:
        """Other backends than those that run: new files, checked first, and a reload, which loses nobody."""
        process = self._process
        if process is None:
            raise RouterFailed("the router was not started")
        try:
            files = self._persisted.candidates(wanted, before)
        except OSError as error:
            raise RouterFailed(f"the router's files cannot be written: {error}") from error
        complaints = process.check(files)
        if complaints:
            raise RouterFailed(f"HAProxy refuses the routes of {environment}", details=complaints)
        self._persist(before, wanted)
        try:
            self._persevere(self._reload)
            self._persevere(lambda: self._serve(wanted))
        except RouterFailed:
            self._undo(before, wanted)
            raise
        kept = {server.name for entry in wanted for server in entry.servers}
        mine = prefix(environment)
        self._persevere(lambda: self._runtime.end_old_sessions(lambda b, s: b.startswith(mine) and s not in kept))

    def _reload(self) -> None:
        if self._state().backends.keys() != _backends(self._persisted.entries.values()):
            self._runtime.reload()

    def _maintain(self, entries: Sequence[RouteEntry], server: Server) -> None:
        running = self._state()
        places = [
            f"{b}/{server.name}" for e in entries for b in e.backends if server.name in running.backends.get(b, ())
        ]
        if places:
            self._runtime.tell(f"set server {place} state maint" for place in places)

    def _state(self) -> Running:
        return parse_state(self._runtime.tell(STATE))

    def _persist(self, before: Sequence[RouteEntry], wanted: Sequence[RouteEntry]) -> None:
        try:
            self._persisted.replace(before, wanted)
        except OSError as error:
            raise RouterFailed(f"the router's files cannot be written: {error}") from error

    def _refuse_taken(self, wanted: Sequence[RouteEntry]) -> None:
        taken = {entry.key: entry for entry in self._persisted.entries.values()}
        for entry in wanted:
            owner = taken.get(entry.key)
            if owner is not None and owner.environment != entry.environment:
                raise RouteTaken(
                    f"{_address(entry.route)} is served by {owner.environment}",
                    hint="Give one of the two another host or path in tidegate.yaml.",
                )

    def _persevere(self, call: Callable[[], T]) -> T:
        """Call again while HAProxy is being restarted. Whatever is called looks first at what is there."""
        deadline = time.monotonic() + BACK_WITHIN
        while True:
            try:
                return call()
            except RuntimeGone:
                if self._supervision is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _bring_up(self) -> int:
        """Start from the files; one that HAProxy refuses is set aside, and the others come up."""
        assert self._process is not None  # set by start
        try:
            return self._process.start(self._port)
        except RouterFailed:
            refused = [n for n in self._persisted.files() if self._process.check([BASE, n])]
            if not refused:
                raise
            for name in refused:
                self._persisted.set_aside(name)
            return self._process.start(self._port)

    def _tell_restart(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _base(self) -> str:
        interfaces = Path("/proc/net/if_inet6")
        return base(
            http_port=self._port,
            relay=f"tidegate-{fingerprint(str(self._directory.resolve()))}",
            secret=self._persisted.secret(),
            user=_unprivileged_user(),
            ipv6=interfaces.exists() and bool(interfaces.read_text().strip()),
        )


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("haproxy").pw_name
    except KeyError:
        return None


def _backends(entries: Iterable[RouteEntry]) -> set[str]:
    return {backend for entry in entries for backend in entry.backends}


def _servers(running: Running, backend: str) -> tuple[Server, ...]:
    servers = (to_server(server) for server in running.backends[backend].values())
    return tuple(sorted((s for s in servers if s is not None), key=lambda server: server.name))


def _release(server: str) -> int | None:
    match = SERVER_NAME.fullmatch(server)
    return int(match[1]) if match else None


def _has(entry: RouteEntry, server: Server) -> bool:
    return any(_same(known, server) for known in entry.servers)


def _without(known: Server, server: Server) -> Server:
    return replace(known, serving=False) if _same(known, server) else known


def _same(known: Server, server: Server) -> bool:
    return (known.name, known.address) == (server.name, server.address)


def _address(route: Route) -> str:
    return route.claim if route.host != "*" else f"any host's {route.path}"


def _words(answer: str) -> tuple[str, ...]:
    """What HAProxy said that is no table."""
    return tuple(line for line in answer.splitlines() if line and len(line) < 200 and not line.startswith("#"))[:20]
