"""All the environments that this agent owns: each with an owner of its own, and the engine's events."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tidegate.domain.names import EnvironmentName
from tidegate.engine.archive import Archive
from tidegate.engine.outside import Outside
from tidegate.engine.owner import Owner
from tidegate.engine.requests import Request
from tidegate.engine.story import Story
from tidegate.errors import EngineUnavailable, NameTaken, TidegateError
from tidegate.ports.target import ReplicaEvent


class Owners:
    """Finds the owner of an environment, makes one for a new environment, wakes them when something happens."""

    def __init__(self, outside: Outside, report: Callable[[BaseException], None]) -> None:
        self._outside = outside
        self._report = report
        self._owners: dict[EnvironmentName, Owner] = {}
        self._archive = Archive(outside.store, report)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._follower = threading.Thread(target=self._follow_events, name="engine-events", daemon=True)

    def start(self) -> None:
        """Take up every environment that is known or seen, and go on with what was interrupted."""
        seen = set(self._outside.store.environments())
        for environment in sorted(seen):
            owner = self._make(environment)
            owner.resume()
            owner.start()
        self._outside.router.on_restart(self.nudge_all)
        self._follower.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Let every owner end its present action; nothing that runs is touched."""
        self._stopping.set()
        for owner in list(self._owners.values()):
            owner.stop(timeout)
        self._archive.close()

    def submit(self, environment: EnvironmentName, request: Request) -> Story:
        """Hand a request to the environment's owner. Raises `NameTaken` for an ambiguous name."""
        while True:
            with self._lock:
                owner = self._owners.get(environment)
                if owner is None:
                    self._refuse_ambiguous(environment)
                    owner = self._make(environment)
                    story = owner.submit(request)
                    owner.start()
                else:
                    story = owner.submit(request)
            if story is not None:
                return story
            self._forget(environment, owner)

    def owner(self, environment: EnvironmentName) -> Owner | None:
        """The environment's owner, if it has one."""
        return self._owners.get(environment)

    def all(self) -> list[Owner]:
        """Every owner, by the environment's name."""
        return [self._owners[environment] for environment in sorted(self._owners)]

    def nudge_all(self) -> None:
        """Let every owner look again."""
        for owner in list(self._owners.values()):
            owner.nudge()

    def _make(self, environment: EnvironmentName) -> Owner:
        owner = Owner(self._outside, environment, keep=self._archive.put, report=self._report, gone=self._ended)
        self._owners[environment] = owner
        return owner

    def _ended(self, environment: EnvironmentName) -> None:
        with self._lock:
            self._owners.pop(environment, None)

    def _forget(self, environment: EnvironmentName, owner: Owner) -> None:
        with self._lock:
            if self._owners.get(environment) is owner:
                del self._owners[environment]

    def _refuse_ambiguous(self, environment: EnvironmentName) -> None:
        for other in self._owners:
            if other.slug == environment.slug:
                raise NameTaken(
                    f"{environment} and {other} would both be called {environment.slug}",
                    hint="Rename one of the apps or environments.",
                )

    # --- the engine's events --------------------------------------------------------------------------

    def _follow_events(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._outside.target.events() as events:
                    for owner in self.all():  # what happened while nobody listened
                        self._take_out_the_dead(owner)
                    for event in events:
                        if self._stopping.is_set():
                            return
                        if event is not None:
                            self._hear(event)
            except EngineUnavailable:
                self._stopping.wait(0.5)
            except Exception as error:
                self._report(error)
                self._stopping.wait(0.5)

    def _hear(self, event: ReplicaEvent) -> None:
        owner = self._owners.get(event.environment)
        if owner is None:
            return
        if event.kind == "ended":
            self._take_out(owner, (event.release, event.service, event.index))
        owner.nudge()

    def _take_out(self, owner: Owner, key: tuple[int, str, int]) -> None:
        """Out of the router with a replica that ended, unless it has begun and proved a new life since."""
        there = self._outside.target.observe(owner.environment).replicas
        sound = {r.address for r in there if r.running and r.life in owner.memory.verified}
        for server in self._outside.router.observe(owner.environment).serving:
            if (server.release, server.service, server.index) == key and server.address not in sound:
                self._outside.router.take_out(owner.environment, server)

    def _take_out_the_dead(self, owner: Owner) -> None:
        try:
            running = {r.address for r in self._outside.target.observe(owner.environment).replicas if r.running}
            for server in self._outside.router.observe(owner.environment).serving:
                if server.address not in running:
                    self._outside.router.take_out(owner.environment, server)
        except TidegateError as error:
            self._report(error)
        owner.nudge()
