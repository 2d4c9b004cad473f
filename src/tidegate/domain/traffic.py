"""The router's side: which servers each route of an environment has, and what they are doing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tidegate.domain.route import Route


@dataclass(frozen=True, order=True)
class Server:
    """One replica as a route's server. `serving` false: known and kept ready, but given no new request."""

    release: int
    service: str
    index: int
    address: str
    port: int
    serving: bool

    @property
    def name(self) -> str:
        """Unique in its route: `r7-web-1`."""
        return f"r{self.release}-{self.service}-{self.index}"


@dataclass(frozen=True)
class RoutedServers:
    """A route and its servers, in order of name."""

    route: Route
    servers: tuple[Server, ...]


@dataclass(frozen=True)
class TrafficTable:
    """Everything that the router is to know about one environment. An empty table: nothing."""

    routes: tuple[RoutedServers, ...] = ()

    @property
    def serving(self) -> frozenset[Server]:
        """Servers that are given new requests."""
        return frozenset(s for entry in self.routes for s in entry.servers if s.serving)

    @property
    def releases(self) -> frozenset[int]:
        """Releases of which the router knows a server."""
        return frozenset(s.release for entry in self.routes for s in entry.servers)

    @property
    def claims(self) -> tuple[Route, ...]:
        """The routes, without their servers."""
        return tuple(entry.route for entry in self.routes)

    def idle(self) -> TrafficTable:
        """The same table with nothing serving."""
        return TrafficTable(
            tuple(replace(e, servers=tuple(replace(s, serving=False) for s in e.servers)) for e in self.routes)
        )

    def without(self, unwanted: Iterable[Server]) -> TrafficTable:
        """The same table, less some servers."""
        gone = {(s.name, s.address) for s in unwanted}
        return TrafficTable(
            tuple(
                replace(e, servers=tuple(s for s in e.servers if (s.name, s.address) not in gone)) for e in self.routes
            )
        )


@dataclass(frozen=True)
class OpenWork:
    """What a release still has open at the router: counts over all its servers."""

    requests: int = 0
    websockets: int = 0

    def __bool__(self) -> bool:
        return bool(self.requests or self.websockets)
