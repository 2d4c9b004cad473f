"""The ports that an agent's use cases stand on, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidegate.ports.clock import Clock
from tidegate.ports.prober import Prober
from tidegate.ports.router import Router
from tidegate.ports.store import Store
from tidegate.ports.target import Target


@dataclass(frozen=True)
class Outside:
    """Everything that is not decided here."""

    target: Target
    router: Router
    store: Store
    prober: Prober
    clock: Clock


@dataclass
class Memory:
    """What an agent knows of one environment and may lose: it can all be found out again.

    `verified` holds the lives (see `Replica.life`) that answered their health path; `started` those that
    the present rollout began, so that one which ends is a failure and not merely missing, and `accessories`
    those that it found or made healthy; `images` are at hand. All are replaced,
    never changed, so that any thread may read them.
    """

    verified: frozenset[str] = frozenset()
    started: frozenset[tuple[int, str, int]] = frozenset()
    accessories: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()

    def forget_attempts(self) -> None:
        """A new rollout, or a new attempt to mend, begins."""
        self.started = frozenset()
        self.accessories = frozenset()
        self.images = frozenset()


Tell = Callable[..., None]
"""`tell(kind, **fields)`: one event of a rollout, for whoever follows it. Fields are JSON values."""


def tell_nobody(kind: str, **fields: Any) -> None:
    """For work that nobody asked for."""
