"""Making and removing containers so that each may be asked for again at any time.

The engine's names are the lock: creation by name is atomic, so that whoever comes second inspects what is there
and adopts it, or replaces it when it is ours but not what is wanted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from tidegate.adapters.targets.docker import labels, views
from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.failures import mapped, status
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Phase
from tidegate.errors import EngineRefused, ImageMissing, NameTaken

CONFLICT = 409
GRACE = 10  # the engine's own, in seconds, where a container names none
REMOVAL = 30  # seconds for a removal that another has begun


class Containers:
    """Runs, finds and removes containers. Safe for threads, also for one name at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._taking_turns = threading.Lock()

    def run(
        self, name: str, own: labels.Labels, body: Mapping[str, Any], joins: tuple[str, Sequence[str]] | None = None
    ) -> views.Container:
        """Have the container `name` run, made from `body`; what runs with its fingerprint already is adopted.

        `joins` is a second network and the aliases in it. Raises `NameTaken`, `ImageMissing`, `EngineRefused`.
        """
        with self._turn(name), mapped(f"start {name}"):
            client = self._connection()
            made = self._create(name, own, body)
            if made is None:
                found = self._find(name)
                if found is not None and self._is_wanted(name, found, own):
                    return found
                if found is not None:
                    self.remove(found["Id"], anonymous_volumes=not views.is_accessory(found))
                made = self._create(name, own, body)
            if made is None:
                raise EngineRefused(f"Something else keeps making a container named {name}.")
            if joins is not None:
                client.connect_container_to_network(made, joins[0], aliases=list(joins[1]))
            client.start(made)
            inspected: views.Container = client.inspect_container(made)
            return inspected

    def of(self, environment: EnvironmentName) -> list[views.Container]:
        """All of an environment's containers, inspected."""
        from docker.errors import NotFound

        found = []
        with mapped(f"observe {environment}"):
            client = self._connection()
            for listed in client.containers(all=True, filters=labels.filters(environment)):
                with suppress(NotFound):  # gone since it was listed
                    found.append(client.inspect_container(listed["Id"]))
        return found

    def inspect(self, container: str) -> views.Container | None:
        """One container by id; None when it is gone."""
        with mapped(f"inspect the container {container[:12]}"):
            return self._find(container)

    def remove(self, container: str, grace: float | None = None, *, anonymous_volumes: bool) -> None:
        """Stop a container by its signal within its grace, in seconds, and remove it; one that is gone is fine."""
        from docker.errors import NotFound

        with mapped(f"remove the container {container[:12]}"), suppress(NotFound):
            client = self._connection()
            found = client.inspect_container(container)
            if views.phase_of(found) in (Phase.RUNNING, Phase.PAUSED, Phase.RESTARTING):
                if grace is None:
                    grace = found["Config"].get("StopTimeout") or GRACE
                client.stop(container, timeout=math.ceil(grace))
            self._remove_stopped(container, anonymous_volumes=anonymous_volumes)

    def _remove_stopped(self, container: str, *, anonymous_volumes: bool) -> None:
        from docker.errors import APIError

        client = self._connection()
        try:
            client.remove_container(container, force=True, v=anonymous_volumes)
        except APIError as error:
            if status(error) != CONFLICT:
                raise
            client.wait(container, timeout=REMOVAL, condition="removed")  # another is at it

    def _create(self, name: str, own: labels.Labels, body: Mapping[str, Any]) -> str | None:
        """The new container's id; None when the name is in use."""
        from docker.errors import APIError, NotFound

        whole = {**body, "Labels": {**body.get("Labels", {}), **own}}
        try:
            made = self._connection().create_container_from_config(whole, name=name)  # type: ignore[no-untyped-call]
        except NotFound as error:
            raise ImageMissing(f"The image {body['Image']} of {name} is not in Docker.") from error
        except APIError as error:
            if status(error) != CONFLICT:
                raise
            return None
        return str(made["Id"])

    def _find(self, container: str) -> views.Container | None:
        from docker.errors import NotFound

        try:
            found: views.Container = self._connection().inspect_container(container)
        except NotFound:
            return None
        return found

    @staticmethod
    def _is_wanted(name: str, found: views.Container, own: labels.Labels) -> bool:
        present = views.labels_of(found)
        if not labels.same_thing(present, own):
            owner = labels.environment_in(present)
            raise NameTaken(
                f"The container {name} is {'part of ' + str(owner) if owner else 'not made by Tidegate'}.",
                hint="Rename the app, the environment or the service, or remove that container.",
            )
        same = present.get(labels.FINGERPRINT) == own.get(labels.FINGERPRINT)
        return same and views.phase_of(found) is Phase.RUNNING

    def _turn(self, name: str) -> threading.Lock:
        with self._taking_turns:
            return self._turns.setdefault(name, threading.Lock())
