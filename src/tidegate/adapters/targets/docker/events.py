"""The engine's events of replicas, as a stream that can be left at any moment.

A thread of its own reads, since nothing else can stop waiting for an event that does not come.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tidegate.adapters.targets.docker import labels, views
from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.containers import Containers
from tidegate.adapters.targets.docker.failures import explanation, mapped
from tidegate.domain.service import Role
from tidegate.errors import EngineUnavailable
from tidegate.ports.target import ReplicaEvent

PATIENCE = 0.5  # seconds without an event after which None is given
# Signals are left out: what a process makes of one shows in what it does next. So are `stop` and `destroy`, before
# which there is always a `die`: late news of a predecessor would be taken for its successor's. A network is left
# before a container is reported dead, so that its `disconnect` is the first sign of an end.
KINDS: Mapping[str, str] = {
    "start": "started",
    "unpause": "started",
    "die": "ended",
    "pause": "ended",
    "disconnect": "ended",
}

_Item = Mapping[str, Any] | Exception | None


@contextmanager
def follow(connection: Connection, containers: Containers) -> Iterator[Iterator[ReplicaEvent | None]]:
    """Events from now on. The iterator raises `EngineUnavailable` when the stream breaks: follow again, and observe."""
    with mapped("tell its events"):
        stream = connection().events(decode=True, filters={"type": ["container", "network"], "event": list(KINDS)})
    read: queue.SimpleQueue[_Item] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(stream, read), name="docker-events", daemon=True)
    reader.start()
    try:
        yield _events(read, containers)
    finally:
        stream.close()
        reader.join(timeout=5)


def _read(stream: Any, read: queue.SimpleQueue[_Item]) -> None:
    try:
        for event in stream:
            read.put(event)
        read.put(None)
    except Exception as error:  # of any library beneath: all mean that the stream is broken
        read.put(error)


def _events(read: queue.SimpleQueue[_Item], containers: Containers) -> Iterator[ReplicaEvent | None]:
    while True:
        try:
            got = read.get(timeout=PATIENCE)
        except queue.Empty:
            yield None
            continue
        if got is None or isinstance(got, Exception):
            raise EngineUnavailable(f"Docker's events broke off: {explanation(got) if got else 'it ended'}") from got
        # Nobody's event is None as well: a busy engine must not keep us from stopping.
        yield _disconnected(got, containers) if got["Type"] == "network" else _of_container(got)


def _of_container(event: Mapping[str, Any]) -> ReplicaEvent | None:
    actor = event["Actor"]
    return replica_event(KINDS[event["Action"]], actor["ID"], actor["Attributes"])


def _disconnected(event: Mapping[str, Any], containers: Containers) -> ReplicaEvent | None:
    """A container left a network, which does not say whose it is. Gone already: its end is told by itself."""
    attributes = event["Actor"]["Attributes"]
    found = containers.inspect(attributes.get("container", ""))
    if found is None:
        return None
    environment = labels.environment_in(views.labels_of(found))
    if environment is None or attributes.get("name") != environment.slug:
        return None
    return replica_event(KINDS["disconnect"], found["Id"], views.labels_of(found))


def replica_event(kind: str, container: str, own: Mapping[str, str]) -> ReplicaEvent | None:
    """An event of a container with these labels; None when it is no replica."""
    environment = labels.environment_in(own)
    if environment is None or own.get(labels.ROLE) != Role.APP:
        return None
    return ReplicaEvent(
        environment, kind, container, int(own[labels.RELEASE]), own[labels.SERVICE], int(own[labels.REPLICA])
    )
