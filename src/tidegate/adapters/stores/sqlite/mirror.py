"""Intents and releases as plain files, so that losing the database loses history, never control.

    <root>/<app>/<environment>/intent.json
    <root>/<app>/<environment>/releases/<n>/release.json
    <root>/<app>/<environment>/highest        the highest release number ever given, once forgotten

The database is right where both have something to say. Each file is whole or not there, and durable on return.
Names of apps and environments are checked where they are made: none can lead out of the root.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tidegate.adapters.stores.sqlite import documents
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.errors import StoreFailed
from tidegate.ports.store import Intent

log = logging.getLogger(__name__)

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class Mirror:
    """Files below `root`. Writes to one environment are the caller's to serialise. Raises `StoreFailed`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep_intent(self, environment: EnvironmentName, document: str) -> None:
        """Write an intent, unless it is there already."""
        self._keep(self._folder(environment) / "intent.json", document)

    def keep_release(self, environment: EnvironmentName, number: int, document: str) -> None:
        """Write a release, unless it is there already."""
        self._keep(self._folder(environment) / "releases" / str(number) / "release.json", document)

    def forget(self, environment: EnvironmentName, highest: int) -> None:
        """Remove everything of an environment but the highest number it gave."""
        folder = self._folder(environment)
        if highest:
            self._keep(folder / "highest", str(highest))
        with _mapped(folder):
            (folder / "intent.json").unlink(missing_ok=True)
            if (folder / "releases").exists():
                shutil.rmtree(folder / "releases")
            if folder.exists():
                _sync_folder(folder)

    def environments(self) -> Iterator[EnvironmentName]:
        """Every environment of which something is kept."""
        for folder in sorted(self._root.glob("*/*/")):
            with suppress(ValueError):
                yield EnvironmentName(folder.parent.name, folder.name)

    def intent(self, environment: EnvironmentName) -> Intent | None:
        """The intent; None without one, or when it cannot be read."""
        path = self._folder(environment) / "intent.json"
        with _skipped(path):
            return documents.load_intent(path.read_bytes())
        return None

    def releases(self, environment: EnvironmentName) -> Iterator[Release]:
        """The releases that can be read, by number."""
        folders = (self._folder(environment) / "releases").glob("*/")
        for folder in sorted((f for f in folders if f.name.isdecimal()), key=lambda f: int(f.name)):
            path = folder / "release.json"
            with _skipped(path):
                yield documents.load_release(path.read_bytes())

    def highest(self, environment: EnvironmentName) -> int:
        """The highest number that is known to have been given, whether its release can be read or not."""
        folder = self._folder(environment)
        given = [int(f.name) for f in (folder / "releases").glob("*/") if f.name.isdecimal()]
        with _skipped(folder / "highest"):
            given.append(int((folder / "highest").read_text(encoding="ascii")))
        return max(given, default=0)

    def _folder(self, environment: EnvironmentName) -> Path:
        return self._root / environment.app / environment.environment

    def _keep(self, path: Path, text: str) -> None:
        with _mapped(path):
            content = text.encode()
            if path.exists() and path.read_bytes() == content:
                return
            _make_folder(path.parent)
            aside = path.with_name(path.name + ".new")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """As `mkdir -p`, with each new name durable in the folder above."""
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"The mirror's {path} cannot be written: {error}") from error


@contextmanager
def _skipped(path: Path) -> Iterator[None]:
    """One file that cannot be read must not keep the others from being read."""
    try:
        yield
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning("the mirror's %s cannot be read and is left out: %s", path, error)
