"""A router in memory, kept honest by the contract suite that `HAProxyRouter` runs, too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from tidegate.domain.names import EnvironmentName
from tidegate.domain.traffic import OpenWork, Server, TrafficTable
from tidegate.errors import RouteTaken


class FakeRouter:
    """Does at once what it is told. `work` is what a test says is open."""

    def __init__(self) -> None:
        self.tables: dict[EnvironmentName, TrafficTable] = {}
        self.work: dict[EnvironmentName, dict[int, OpenWork]] = {}
        self.listeners: list[Callable[[], None]] = []
        self._lock = threading.RLock()

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.tables.clear()

    def release_control(self) -> None:
        pass

    def observe(self, environment: EnvironmentName) -> TrafficTable:
        return self.tables.get(environment, TrafficTable())

    def open_work(self, environment: EnvironmentName) -> dict[int, OpenWork]:
        return {n: work for n, work in self.work.get(environment, {}).items() if work}

    def apply(self, environment: EnvironmentName, table: TrafficTable) -> None:
        with self._lock:
            claims = {route.claim for route in table.claims}
            for other, theirs in self.tables.items():
                if other != environment and claims & {route.claim for route in theirs.claims}:
                    raise RouteTaken(f"{other} serves it already")
            if table.routes:
                self.tables[environment] = table
            else:
                self.tables.pop(environment, None)

    def take_out(self, environment: EnvironmentName, server: Server) -> None:
        with self._lock:
            if environment not in self.tables:
                return
            self.tables[environment] = TrafficTable(
                tuple(
                    replace(
                        entry,
                        servers=tuple(
                            replace(s, serving=False) if (s.name, s.address) == (server.name, server.address) else s
                            for s in entry.servers
                        ),
                    )
                    for entry in self.tables[environment].routes
                )
            )

    def cut(self, environment: EnvironmentName, release: int, *, requests: bool, websockets: bool) -> None:
        work = self.work.get(environment, {}).get(release, OpenWork())
        self.work.setdefault(environment, {})[release] = OpenWork(
            0 if requests else work.requests, 0 if websockets else work.websockets
        )

    def on_restart(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def describe(self) -> dict[str, object]:
        return {"product": "a double", "version": "0", "pid": 0, "http_port": 80, "config": "", "restarts": 0}
