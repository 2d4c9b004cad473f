"""Let a release end what it has begun, within its budgets, and cut what exceeds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Strategy
from tidegate.domain.traffic import OpenWork
from tidegate.engine.outside import Outside
from tidegate.ports.store import Intent

INTERVAL = 0.1  # seconds between two looks


def drain(
    outside: Outside,
    environment: EnvironmentName,
    number: int,
    intent: Intent,
    preempted: Callable[[], bool],
) -> None:
    """Return when nothing is open at the release, or newer work waits.

    The budgets count from when the release stopped serving, so a restarted agent does not grant them anew.
    """
    release = outside.store.release(environment, number)
    strategy = release.configuration.strategy if release is not None else Strategy()
    since = intent.retired.get(number, outside.clock.now())
    while work := outside.router.open_work(environment).get(number):
        if preempted():
            return
        requests, websockets = overdue(work, strategy, since, outside.clock.now())
        if requests or websockets:
            outside.router.cut(environment, number, requests=requests, websockets=websockets)
        outside.clock.sleep(INTERVAL)


def overdue(work: OpenWork, strategy: Strategy, since: datetime, now: datetime) -> tuple[bool, bool]:
    """Whether the requests, and the WebSockets, that are still open have had their time."""
    spent = (now - since).total_seconds()
    return (
        bool(work.requests) and spent >= strategy.drain_requests,
        bool(work.websockets) and spent >= strategy.drain_websockets,
    )
