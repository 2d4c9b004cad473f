"""Events on their way to the store: in order, a moment later, without holding up the rollout they tell of.

They are for whoever asks afterwards. What a rollout goes by (intents, releases, the audit log) is never written
from here: that is durable before anything follows from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from tidegate.errors import TidegateError
from tidegate.ports.store import Store


class Archive:
    """Writes events from a thread of its own; `close` waits until all are written."""

    def __init__(self, store: Store, report: Callable[[BaseException], None]) -> None:
        self._store = store
        self._report = report
        self._events: SimpleQueue[tuple[int, Mapping[str, Any]] | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="archive", daemon=True)
        self._writer.start()

    def put(self, rollout: int, event: Mapping[str, Any]) -> None:
        """Take an event; returns at once."""
        self._events.put((rollout, event))

    def close(self) -> None:
        """Write what is left, and end."""
        self._events.put(None)
        self._writer.join(5.0)

    def _write(self) -> None:
        while (item := self._events.get()) is not None:
            try:
                self._store.add_event(*item)
            except TidegateError as error:
                self._report(error)
