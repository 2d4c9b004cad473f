"""A clock that runs as fast as it is asked to."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class FastClock:
    """Sleeping takes (almost) no time and moves the clock on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        time.sleep(0.0005)  # let other threads have their turn
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        with self._lock:
            self._passed += seconds
