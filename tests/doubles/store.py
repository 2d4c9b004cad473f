"""A store in memory, kept honest by the contract suite that `SqliteStore` runs, too."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.ports.store import HistoryEntry, Intent


class MemoryStore:
    """Nothing outlives it but what is put into another by hand."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._intents: dict[EnvironmentName, Intent] = {}
        self._releases: dict[EnvironmentName, dict[int, Release]] = {}
        self._highest: dict[EnvironmentName, int] = {}
        self._delivered: dict[tuple[EnvironmentName, str], int] = {}
        self._history: dict[int, tuple[EnvironmentName, HistoryEntry]] = {}
        self._events: dict[int, list[str]] = {}

    def environments(self) -> Sequence[EnvironmentName]:
        with self._lock:
            return sorted(self._intents)

    def intent(self, environment: EnvironmentName) -> Intent | None:
        return self._intents.get(environment)

    def set_intent(self, environment: EnvironmentName, intent: Intent) -> None:
        with self._lock:
            self._intents[environment] = intent

    def forget(self, environment: EnvironmentName) -> None:
        with self._lock:
            self._intents.pop(environment, None)
            self._releases.pop(environment, None)
            self._delivered = {key: n for key, n in self._delivered.items() if key[0] != environment}

    def release(self, environment: EnvironmentName, number: int) -> Release | None:
        return self._releases.get(environment, {}).get(number)

    def releases(self, environment: EnvironmentName) -> Sequence[Release]:
        with self._lock:
            return [release for _, release in sorted(self._releases.get(environment, {}).items())]

    def add_release(self, release: Release) -> None:
        with self._lock:
            self._releases.setdefault(release.environment, {})[release.number] = release
            self._highest[release.environment] = max(release.number, self._highest.get(release.environment, 0))

    def next_number(self, environment: EnvironmentName) -> int:
        return self._highest.get(environment, 0) + 1

    def delivered(self, environment: EnvironmentName, commit: str) -> int | None:
        return self._delivered.get((environment, commit))

    def record_delivery(self, environment: EnvironmentName, commit: str, number: int) -> None:
        with self._lock:
            self._delivered[environment, commit] = number

    def begin(
        self, environment: EnvironmentName, *, at: datetime, by: str, what: str, why: str, release: int | None
    ) -> int:
        with self._lock:
            number = len(self._history) + 1
            self._history[number] = (environment, HistoryEntry(number, at, by, what, why, release))
            return number

    def finish(
        self, rollout: int, *, outcome: str, error: str | None, seconds: float, release: int | None = None
    ) -> None:
        with self._lock:
            if rollout in self._history:
                environment, entry = self._history[rollout]
                release = entry.release if release is None else release
                entry = replace(entry, outcome=outcome, error=error, seconds=seconds, release=release)
                self._history[rollout] = (environment, entry)

    def history(self, environment: EnvironmentName, limit: int = 50) -> Sequence[HistoryEntry]:
        with self._lock:
            return [entry for owner, entry in reversed(self._history.values()) if owner == environment][:limit]

    def add_events(self, events: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        with self._lock:
            for rollout, event in events:
                self._events.setdefault(rollout, []).append(json.dumps(event))

    def events(self, rollout: int) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            return [json.loads(event) for event in self._events.get(rollout, ())]
