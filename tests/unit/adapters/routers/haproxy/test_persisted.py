"""Files that can be started from at any moment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.adapters.routers.haproxy.configuration import map_file
from tidegate.adapters.routers.haproxy.entry import RouteEntry
from tidegate.adapters.routers.haproxy.persisted import PersistedRoutes
from tidegate.domain.names import EnvironmentName
from tidegate.domain.route import Route
from tidegate.domain.traffic import Server

SHOP = EnvironmentName("shop", "production")
OLD = RouteEntry(
    SHOP, 0, Route("shop.example.com", "/", "web", 8000, "/a"), (Server(1, "web", 1, "10.0.0.1", 80, True),)
)
NEW = replace(OLD, route=replace(OLD.route, health="/b"))


@pytest.fixture
def persisted(tmp_path: Path) -> PersistedRoutes:
    persisted = PersistedRoutes(tmp_path)
    persisted.load()
    return persisted


def reread(persisted: PersistedRoutes) -> PersistedRoutes:
    again = PersistedRoutes(persisted.directory)
    again.load()
    return again


def test_what_was_written_is_read_again(persisted: PersistedRoutes) -> None:
    second = replace(NEW, position=1, route=replace(NEW.route, path="/api"))
    persisted.replace((), (OLD, second))
    assert reread(persisted).of(SHOP) == persisted.of(SHOP) == (OLD, second)
    persisted.replace((OLD, second), (second,))
    assert reread(persisted).of(SHOP) == (second,)


@pytest.mark.parametrize("survives", range(12))
def test_a_crash_anywhere_leaves_the_old_or_the_new_route_and_a_map_that_names_it(
    persisted: PersistedRoutes, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    persisted.replace((), (OLD,))
    real, left = os.fsync, [survives]

    def fsync(descriptor: int) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    try:
        persisted.candidates((NEW,), (OLD,))
        persisted.replace((OLD,), (NEW,))
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    names = {path.stem for path in (persisted.directory / "routes").glob("*.cfg")}
    mapped = (persisted.directory / "routes.map").read_text().split()[1]
    assert mapped in names  # HAProxy, killed at the same moment, would serve it
    (entry,) = reread(persisted).of(SHOP)
    assert entry in (OLD, NEW)
    assert (persisted.directory / "routes.map").read_text() == map_file([entry])
    assert [path.stem for path in (persisted.directory / "routes").iterdir()] == [entry.backend]
    assert not list((persisted.directory / "candidates").iterdir())


def test_files_of_another_form_are_brought_to_this_one(persisted: PersistedRoutes) -> None:
    persisted.replace((), (OLD,))
    (path,) = (persisted.directory / "routes").glob("*.cfg")
    wanted = path.read_text()
    path.write_text(wanted.replace("retry-on", "retry-never"))
    assert persisted.load()
    assert path.read_text() == wanted
    assert not persisted.load()


def test_the_secret_stays(persisted: PersistedRoutes) -> None:
    assert persisted.secret() == reread(persisted).secret()
    assert len(persisted.secret()) == 32
