"""The events of one rollout: kept, numbered, and told to whoever follows, however late they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Event = dict[str, Any]
LAST = "settled"  # after this kind nothing more is told


class Story:
    """Events in order, each with `seq` from 0, `at` (ISO 8601, UTC) and `kind`; other fields by kind.

    Safe for several threads. `keep` is given each event once, to persist it.
    """

    def __init__(self, rollout: int, now: Callable[[], str], keep: Callable[[Mapping[str, Any]], None]) -> None:
        self.rollout = rollout
        self._now = now
        self._keep = keep
        self._events: list[Event] = []
        self._changed = threading.Condition()

    def tell(self, kind: str, **fields: Any) -> None:
        """Append an event."""
        with self._changed:
            event = {"seq": len(self._events), "at": self._now(), "kind": kind, "rollout": self.rollout, **fields}
            self._events.append(event)
            self._changed.notify_all()
        self._keep(event)

    @property
    def ended(self) -> bool:
        """Whether nothing more will be told."""
        return bool(self._events) and self._events[-1]["kind"] == LAST

    def follow(self, after: int = -1, beat: float = 5.0) -> Iterator[Event | None]:
        """Events whose `seq` is above `after`, as they come, to the last; None every `beat` idle seconds."""
        position = after + 1
        while True:
            with self._changed:
                if position >= len(self._events) and not self.ended:
                    self._changed.wait(beat)
                fresh = self._events[position:]
                ended = self.ended
            yield from fresh
            position += len(fresh)
            if not fresh:
                if ended:
                    return
                yield None
