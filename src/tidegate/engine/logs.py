"""What an environment's containers say, merged as it comes; when another release begins to serve, its words too."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread

from tidegate.domain.names import EnvironmentName, accessory_name, replica_name
from tidegate.engine.outside import Outside
from tidegate.errors import TidegateError, UnknownEnvironment
from tidegate.ports.store import Intent

LOOK = 1.0  # seconds between two looks for new containers while following
Line = dict[str, str]  # `replica`: the container's name, `line`: without its end


def log_lines(
    outside: Outside, environment: EnvironmentName, *, service: str | None, tail: int, follow: bool
) -> Iterator[Line | None]:
    """Lines of the serving release's containers, or of the accessory `service`; None when idle.

    The last `tail` lines of each container that is there, and with `follow` what comes after, until the iterator
    is closed. Raises `UnknownEnvironment` when there is no container to read.
    """
    found = sources(outside, environment, service)
    if not found:
        raise UnknownEnvironment(
            f"{environment} has no container{f' of service {service}' if service else ''} to read from",
            hint=f"tidegate status {environment.environment}",
        )
    reading = Reading(outside, follow)
    try:
        for container, name in found.items():
            reading.begin(container, name, tail)
        while reading.open or follow:
            yield from reading.lines()
            if follow:
                for container, name in sources(outside, environment, service).items():
                    reading.begin(container, name, tail)
            yield None
    finally:
        reading.stop.set()


def sources(outside: Outside, environment: EnvironmentName, service: str | None) -> dict[str, str]:
    """Containers to read, by id with their names."""
    intent = outside.store.intent(environment) or Intent()
    there = outside.target.observe(environment)
    number = intent.serving if intent.serving is not None else intent.wanted
    replicas = {
        r.id: replica_name(environment, *r.key)
        for r in there.replicas
        if r.release == number and service in (None, r.service)
    }
    return replicas | {a.id: accessory_name(environment, a.service) for a in there.accessories if service == a.service}


class Reading:
    """Containers being read, one thread each, their lines in one queue."""

    def __init__(self, outside: Outside, follow: bool) -> None:
        self.stop = Event()
        self.open = 0
        self._outside = outside
        self._follow = follow
        self._begun: set[str] = set()
        self._queue: Queue[Line | None] = Queue(maxsize=1000)

    def begin(self, container: str, name: str, tail: int) -> None:
        """Read a container, unless that was begun before."""
        if container not in self._begun:
            self._begun.add(container)
            self.open += 1
            Thread(target=self._read, args=(container, name, tail), name=f"logs-{name}", daemon=True).start()

    def lines(self) -> Iterator[Line]:
        """What comes, until nothing has for `LOOK` seconds or every reader has ended."""
        while self.open:
            try:
                entry = self._queue.get(timeout=LOOK)
            except Empty:
                return
            if entry is None:
                self.open -= 1
            else:
                yield entry
        self.stop.wait(LOOK if self._follow else 0)

    def _read(self, container: str, name: str, tail: int) -> None:
        try:
            for line in self._outside.target.logs(container, tail=tail, follow=self._follow):
                if not self._put({"replica": name, "line": line}):
                    return
        except TidegateError as error:
            self._put({"replica": name, "line": f"(its log cannot be read: {error.message})"})
        finally:
            self._put(None)

    def _put(self, entry: Line | None) -> bool:
        """Hand a line over, however slow the other side is; false when it has gone."""
        while not self.stop.is_set():
            try:
                self._queue.put(entry, timeout=LOOK)
            except Full:
                continue
            return True
        return False
