"""A route as it is persisted: the unit of one file, one pair of backends and one line of the map.

Pure. It may hold no text that means something to HAProxy beyond itself: values come from applications'
repositories, so `check` admits a strict alphabet before anything is rendered from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.names import SERVICE, EnvironmentName
from tidegate.domain.route import Balance, Route
from tidegate.domain.traffic import Server, TrafficTable

HOST = re.compile(r"\*|[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?")
PATH = re.compile(r"/[A-Za-z0-9/_.~%!+,:@=&-]{0,1023}")
HEALTH = re.compile(r"/[A-Za-z0-9/_.~%!+,:@=&?-]{0,1023}")
BACKEND = re.compile(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*\.[0-9a-f]{16}(-ws)?")
UPGRADED = "-ws"  # the suffix of the backend that upgraded connections go to


@dataclass(frozen=True)
class RouteEntry:
    """A route of an environment with its servers; `position` is its place in the environment's table."""

    environment: EnvironmentName
    position: int
    route: Route
    servers: tuple[Server, ...]

    @property
    def backend(self) -> str:
        """The backend's name. It changes with every setting, so that a running backend shows which it has."""
        return f"{prefix(self.environment)}{fingerprint(self.route)}"

    @property
    def backends(self) -> tuple[str, str]:
        """The backend of requests and that of upgraded connections."""
        return self.backend, self.backend + UPGRADED

    @property
    def key(self) -> str:
        """What a request's host and path, ended by a slash, must begin with: `shop.example.com/api/`."""
        return f"{self.route.host}{self.route.path.rstrip('/')}/"


def prefix(environment: EnvironmentName) -> str:
    """What all backends of an environment begin with, and no other's: names have no dots."""
    return f"{environment.app}.{environment.environment}."


def entries_of(environment: EnvironmentName, table: TrafficTable) -> tuple[RouteEntry, ...]:
    """A table's entries. Raises `ValueError` for a value that must not reach a configuration."""
    entries = tuple(
        RouteEntry(environment, position, routed.route, routed.servers) for position, routed in enumerate(table.routes)
    )
    for entry in entries:
        check(entry)
    if len({entry.key for entry in entries}) < len(entries):
        raise ValueError("a host and path is routed twice")
    return entries


def check(entry: RouteEntry) -> None:
    """Raise `ValueError` naming the first value that is outside its alphabet."""
    route = entry.route
    for what, text, alphabet in (
        ("host", route.host, HOST),
        ("path", route.path, PATH),
        ("health path", route.health, HEALTH),
    ):
        if not alphabet.fullmatch(text):
            raise ValueError(f"{what} {text[:80]!r} has characters that a route cannot have")
    if route.idle_timeout is not None and not 0 < route.idle_timeout < 86400:
        raise ValueError(f"idle timeout {route.idle_timeout!r} is not between 0 and 86400 seconds")
    for server in entry.servers:
        ip_address(server.address)
        if not (SERVICE.fullmatch(server.service) and server.release > 0 and server.index > 0):
            raise ValueError(f"server {server.name[:80]!r} has characters that a name cannot have")
        if not 0 < server.port < 65536:
            raise ValueError(f"port {server.port!r} of {server.name} is no port")
    if len({server.name for server in entry.servers}) < len(entry.servers):
        raise ValueError(f"{route.claim} has two servers of one name")


def to_json(entry: RouteEntry) -> str:
    """One line that `from_json` turns back into the same entry."""
    return json.dumps(
        {
            "app": entry.environment.app,
            "environment": entry.environment.environment,
            "position": entry.position,
            "route": asdict(entry.route),
            "servers": [asdict(server) for server in entry.servers],
        }
    )


def from_json(text: str) -> RouteEntry:
    """Raises `ValueError` when the text is no entry, or one that must not reach a configuration."""
    try:
        value: Mapping[str, Any] = json.loads(text)
        entry = RouteEntry(
            EnvironmentName(value["app"], value["environment"]),
            int(value["position"]),
            Route(**{**value["route"], "balance": Balance(value["route"]["balance"])}),
            tuple(Server(**server) for server in value["servers"]),
        )
        check(entry)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a route entry: {error!r}") from error
    return entry
