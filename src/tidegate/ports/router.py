"""What sends traffic to releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidegate.domain.names import EnvironmentName
from tidegate.domain.traffic import OpenWork, Server, TrafficTable


class Router(Protocol):
    """One router a host, for all apps and environments.

    All methods may be called from several threads at any time, also for one environment: an engine event may
    `take_out` a server while its owner applies a table. They raise `RouterFailed` when the router does not do
    what it is told.
    """

    def start(self) -> None:
        """Bring the router up from what is persisted, adopting one that runs; keep it up from now on.

        Idempotent. Raises `PortTaken`, `ToolMissing`, `RouterFailed`.
        """
        ...

    def stop(self) -> None:
        """Stop the router: nothing is served any more. Idempotent."""
        ...

    def release_control(self) -> None:
        """Stop supervising and leave the router running, for the next agent to adopt."""
        ...

    def observe(self, environment: EnvironmentName) -> TrafficTable:
        """The environment's table as the router has it now; empty when it knows none."""
        ...

    def open_work(self, environment: EnvironmentName) -> dict[int, OpenWork]:
        """Requests and WebSockets still open, by release; releases with none may be absent."""
        ...

    def apply(self, environment: EnvironmentName, table: TrafficTable) -> None:
        """Make the router's table for this environment equal `table`, and return when it is confirmed.

        Persisted (fsync) before anything changes at run time. Servers begin to serve before others stop;
        a server that stops serving ends the requests it has. A server that the table no longer has is
        removed (what it still has open is cut). Where only servers differ there is no reload. An empty
        table removes the environment. Raises `RouteTaken` and changes nothing when another environment
        has one of the claims.
        """
        ...

    def take_out(self, environment: EnvironmentName, server: Server) -> None:
        """Give a server no new request from this moment on: its container died or moved. Idempotent."""
        ...

    def cut(self, environment: EnvironmentName, release: int, *, requests: bool, websockets: bool) -> None:
        """End what a release still has open, of the given kinds."""
        ...

    def on_restart(self, listener: Callable[[], None]) -> None:
        """Call `listener` from a thread of the router's after it had to be started again."""
        ...

    def describe(self) -> dict[str, object]:
        """For people: `product`, `version`, `pid`, `http_port`, `config`, `restarts`."""
        ...
