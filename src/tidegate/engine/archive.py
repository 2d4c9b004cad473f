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

PAUSE = 0.5  # seconds that an event waits for others


class Archive:
    """Writes events from a thread of its own; `close` waits until all are written."""

    def __init__(self, store: Store, report: Callable[[BaseException], None]) -> None:
        self._store = store
        self._report = report
        self._closing = threading.Event()
        self._events: SimpleQueue[tuple[int, Mapping[str, Any]] | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="archive", daemon=True)
        self._writer.start()

    def put(self, rollout: int, event: Mapping[str, Any]) -> None:
        """Take an event; returns at once."""
        self._events.put((rollout, event))

    def close(self) -> None:
        """Write what is left, and end."""
        self._closing.set()
        self._events.put(None)
        self._writer.join(5.0)

    def _write(self) -> None:
        more = True
        while more:
            batch = [self._events.get()]
            if batch[0] is not None:
                self._closing.wait(PAUSE)  # what is about to be told comes along
            while not self._events.empty():
                batch.append(self._events.get())
            events = [item for item in batch if item is not None]
            more = len(events) == len(batch)
            try:
                if events:
                    self._store.add_events(events)
            except TidegateError as error:
                self._report(error)
