"""Where an agent keeps what cannot be observed: intents, releases, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release


@dataclass(frozen=True)
class Intent:
    """Which release an environment is to run: the one durable row that a rollout goes by.

    `wanted` None: no release. `serving` is the last one that the traffic was shifted to. `rollout` is the
    id under which the change is told; `destroy` that the environment is to go. `commit` is the last one that asked
    for `wanted`: of the commits that make the same release, the one whose files count.
    """

    wanted: int | None = None
    serving: int | None = None
    rollout: int | None = None
    destroy: bool = False
    volumes: bool = False
    retired: Mapping[int, datetime] = field(default_factory=dict)
    commit: str | None = None


@dataclass(frozen=True)
class HistoryEntry:
    """One line of the audit log: who did what, when, why, and what came of it.

    `outcome` is None while it is under way, then `completed`, `failed`, `aborted`, `superseded`, `unchanged`.
    """

    id: int
    at: datetime
    by: str
    what: str  # deploy, promote, rollback, destroy, abort
    why: str
    release: int | None
    outcome: str | None = None
    error: str | None = None  # its code
    seconds: float | None = None


class Store(Protocol):
    """Every write is durable when the call returns."""

    def environments(self) -> Sequence[EnvironmentName]:
        """All that were ever wanted and not destroyed."""
        ...

    def intent(self, environment: EnvironmentName) -> Intent | None:
        """What the environment is to run."""
        ...

    def set_intent(self, environment: EnvironmentName, intent: Intent) -> None:
        """Record what the environment is to run."""
        ...

    def forget(self, environment: EnvironmentName) -> None:
        """The environment is gone: drop its intent and releases. History stays."""
        ...

    def release(self, environment: EnvironmentName, number: int) -> Release | None:
        """One release."""
        ...

    def releases(self, environment: EnvironmentName) -> Sequence[Release]:
        """All of them, oldest first."""
        ...

    def add_release(self, release: Release) -> None:
        """Keep a release whole. Its number is the caller's: one above the highest ever given."""
        ...

    def next_number(self, environment: EnvironmentName) -> int:
        """The next release's number: never one that was given before, 1 at first."""
        ...

    def delivered(self, environment: EnvironmentName, commit: str) -> int | None:
        """The release that this clean commit became in this environment."""
        ...

    def record_delivery(self, environment: EnvironmentName, commit: str, number: int) -> None:
        """Remember which release a clean commit became."""
        ...

    def begin(
        self,
        environment: EnvironmentName,
        *,
        at: datetime,
        by: str,
        what: str,
        why: str,
        release: int | None,
    ) -> int:
        """Open a history entry; its id is the rollout's."""
        ...

    def finish(
        self, rollout: int, *, outcome: str, error: str | None, seconds: float, release: int | None = None
    ) -> None:
        """Close a history entry."""
        ...

    def history(self, environment: EnvironmentName, limit: int = 50) -> Sequence[HistoryEntry]:
        """Newest first."""
        ...

    def add_events(self, events: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Append events, each to its rollout."""
        ...

    def events(self, rollout: int) -> Sequence[Mapping[str, Any]]:
        """A rollout's events in order."""
        ...
