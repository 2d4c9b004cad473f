"""Wires an agent: the real engine, router, database, clock.

The router comes first and alone: it is what serves, so nothing heavy is imported before it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.client.home import Home
    from tidegate.engine.outside import Outside
    from tidegate.ports.router import Router
    from tidegate.ports.target import Target


def make_router(home: Home, http_port: int) -> Router:
    """The router of this host."""
    from tidegate.adapters.routers.haproxy import HAProxyRouter

    return HAProxyRouter(home.router, http_port)


def make_target() -> Target:
    """The container engine of this host. Raises `EngineUnavailable`, `EngineTooOld`."""
    from tidegate.adapters.targets.docker import DockerTarget

    return DockerTarget()


def make_outside(home: Home, router: Router, target: Target) -> Outside:
    """Everything together, with the state kept in the home."""
    from tidegate.adapters.clocks.system import SystemClock
    from tidegate.adapters.probes.http import HttpProber
    from tidegate.adapters.stores.sqlite import SqliteStore
    from tidegate.engine.outside import Outside

    return Outside(target, router, SqliteStore(home.database, home.environments), HttpProber(), SystemClock())
