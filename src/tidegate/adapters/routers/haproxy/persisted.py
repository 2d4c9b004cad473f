"""The router's files: the truth that a restart begins from. Every write is atomic and fsynced before it counts.

It knows files, not processes. A route's file bears the name of its backend, which changes with the route's
settings: so the old and the new file lie side by side until the map names the new one, and HAProxy can be started
from what is there at any moment.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tidegate.adapters.routers.haproxy.configuration import HEADER, MAP, map_file, route_file
from tidegate.adapters.routers.haproxy.entry import RouteEntry, from_json
from tidegate.domain.names import EnvironmentName

BASE = "haproxy.cfg"
ROUTES = "routes"
CANDIDATES = "candidates"
SECRET = "relay.key"  # noqa: S105 - a file's name


class PersistedRoutes:
    """All entries by backend name, as on disk. `load` first; readers need no lock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._entries: Mapping[str, RouteEntry] = {}
        self._writing = threading.Lock()

    def load(self) -> bool:
        """Read all routes, set aside what is none, and bring every file to this version's form.

        Whether any file had to be changed. Of two files for one host and path the newer counts: the other is
        left from a change that was interrupted.
        """
        for folder in (self.directory, self._routes, self.directory / CANDIDATES):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for rest in (*self._routes.glob("*.tmp"), *(self.directory / CANDIDATES).iterdir()):
            rest.unlink()
        found: dict[str, tuple[Path, RouteEntry]] = {}
        changed = False
        for path in sorted(self._routes.glob("*.cfg"), key=lambda path: path.stat().st_mtime_ns):
            entry = _read(path)
            if entry is None:
                self._set_aside(path)
                changed = True
                continue
            if entry.key in found:
                found[entry.key][0].unlink()
                changed = True
            found[entry.key] = path, entry
        for path, entry in found.values():
            if path.name != _file(entry) or path.read_text() != route_file(entry):
                _write(self._routes / _file(entry), route_file(entry))
                if path.name != _file(entry):
                    path.unlink()
                changed = True
        self._entries = {entry.backend: entry for _, entry in found.values()}
        return self._write_map() or changed

    def write_base(self, text: str) -> bool:
        """Write the base configuration; whether it was another one before."""
        return _write_changed(self.directory / BASE, text)

    def base(self) -> str:
        """The base configuration as it is; empty where there is none."""
        path = self.directory / BASE
        return path.read_text() if path.exists() else ""

    def secret(self) -> str:
        """How workers of this directory know each other; made once."""
        path = self.directory / SECRET
        if not path.exists():
            _write(path, os.urandom(16).hex())
        return path.read_text().strip()

    @property
    def entries(self) -> Mapping[str, RouteEntry]:
        """All entries by backend name."""
        return self._entries

    def of(self, environment: EnvironmentName) -> tuple[RouteEntry, ...]:
        """An environment's entries, in the order of its table."""
        mine = (entry for entry in self._entries.values() if entry.environment == environment)
        return tuple(sorted(mine, key=lambda entry: entry.position))

    def candidates(self, wanted: Iterable[RouteEntry], dropped: Iterable[RouteEntry]) -> list[str]:
        """Write the wanted entries beside the routes; the configuration files, as they would be with them.

        Names are relative to the directory.
        """
        wanted = tuple(wanted)
        for entry in wanted:
            _write(self.directory / CANDIDATES / _file(entry), route_file(entry))
        gone = {_file(entry) for entry in (*wanted, *dropped)}
        stay = sorted(path.name for path in self._routes.glob("*.cfg") if path.name not in gone)
        return [BASE, *(f"{ROUTES}/{name}" for name in stay), *(f"{CANDIDATES}/{_file(entry)}" for entry in wanted)]

    def replace(self, before: Sequence[RouteEntry], wanted: Sequence[RouteEntry]) -> None:
        """Exchange entries: new files first, then the map, then the old files go."""
        names = {entry.backend for entry in wanted}
        unchanged = {entry.backend: entry for entry in before}
        dropped = [entry for entry in before if entry.backend not in names]
        for entry in wanted:
            if unchanged.get(entry.backend) != entry:
                _write(self._routes / _file(entry), route_file(entry))
            (self.directory / CANDIDATES / _file(entry)).unlink(missing_ok=True)
        gone = {entry.backend for entry in dropped}
        with self._writing:
            kept = {name: entry for name, entry in self._entries.items() if name not in gone}
            self._entries = kept | {entry.backend: entry for entry in wanted}
            self._write_map()
        for entry in dropped:
            (self._routes / _file(entry)).unlink(missing_ok=True)
        if dropped:
            _sync(self._routes)

    def files(self) -> tuple[str, ...]:
        """Names of the routes' files, relative to the directory."""
        return tuple(sorted(f"{ROUTES}/{path.name}" for path in self._routes.glob("*.cfg")))

    def set_aside(self, name: str) -> None:
        """Take a file that HAProxy refuses out of the configuration; it is kept as `*.broken`."""
        with self._writing:
            self._set_aside(self.directory / name)
            self._entries = {key: entry for key, entry in self._entries.items() if f"{ROUTES}/{_file(entry)}" != name}
            self._write_map()

    @property
    def _routes(self) -> Path:
        return self.directory / ROUTES

    def _write_map(self) -> bool:
        return _write_changed(self.directory / MAP, map_file(self._entries.values()))

    def _set_aside(self, path: Path) -> None:
        path.rename(path.with_name(path.name + ".broken"))
        _sync(path.parent)


def _file(entry: RouteEntry) -> str:
    return f"{entry.backend}.cfg"


def _read(path: Path) -> RouteEntry | None:
    try:
        first = path.read_text().partition("\n")[0]
        return from_json(first.removeprefix(HEADER))
    except ValueError:
        return None


def _write_changed(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    _write(path, text)
    return True


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
