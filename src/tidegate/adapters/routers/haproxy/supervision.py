"""Keeping a process up: a thread that sleeps until the process ends and starts it again at once.

It knows neither HAProxy nor its files. A start that fails is tried again, ever more slowly.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from tidegate.adapters.routers.haproxy.process import wait_for_end
from tidegate.errors import TidegateError

AT_ONCE = 5  # failures in a row that are answered without a pause
LONGEST_PAUSE = 5.0  # seconds between two attempts
HEALTHY_AFTER = 1.0  # seconds; one that ends sooner after its start counts as a start that failed
_log = logging.getLogger(__name__)


class Supervision:
    """Watches `pid` from the moment it is made until `end`. `restarts` counts."""

    def __init__(self, pid: int, bring_up: Callable[[], int], restarted: Callable[[], None]) -> None:
        self.restarts = 0
        self._bring_up = bring_up
        self._restarted = restarted
        self._wake = os.eventfd(0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(pid,), name="router supervision", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching. When it returns nothing is started any more."""
        self._ending.set()
        os.eventfd_write(self._wake, 1)
        if threading.current_thread() is not self._thread:
            self._thread.join()
            os.close(self._wake)

    def _watch(self, pid: int) -> None:
        failures = 0
        while True:
            lasted = not wait_for_end(pid, self._wake, HEALTHY_AFTER)
            if lasted and not self._ending.is_set():
                failures = 0
                wait_for_end(pid, self._wake)
            if self._ending.is_set():
                return
            new = self._again(failures)
            if new is None:
                return
            failures += 1
            pid = new

    def _again(self, failures: int) -> int | None:
        while True:
            pause = min(0.05 * 2 ** (failures - AT_ONCE), LONGEST_PAUSE) if failures > AT_ONCE else 0.0
            if self._ending.wait(pause):
                return None
            try:
                pid = self._bring_up()
            except TidegateError as error:
                _log.error("the router does not come up again: %s %s", error.message, " ".join(error.details))
                failures += 1
                continue
            self.restarts += 1
            try:
                self._restarted()
            except Exception:
                _log.exception("a listener to router restarts failed")
            return pid
