"""The repository that a command works in: its commit, its tidegate.yaml, what an environment makes of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tidegate.errors import DirtyWorkTree, FileMissing

if TYPE_CHECKING:
    from tidegate.config.compose import Definition
    from tidegate.config.recipe import Recipe
    from tidegate.config.settings import EnvironmentSettings, Settings
    from tidegate.domain.build import BuildReport
    from tidegate.ports.source import Commit, Source

CONFIGURATION = "tidegate.yaml"
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


class Workspace:
    """A repository at one commit, and the folder with its files as long as this is entered."""

    def __init__(self, source: Source, commit: Commit) -> None:
        self.source = source
        self.commit = commit
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def tree(self) -> Path:
        """A folder with exactly the commit's files (of a dirty one: the work tree's)."""
        return self._open.enter_context(self.source.checkout(self.commit))

    @cached_property
    def content(self) -> bytes:
        """The commit's tidegate.yaml. Raises `FileMissing`."""
        content = self._read(CONFIGURATION)
        if content is None:
            raise FileMissing(
                f"commit {self.commit.id[:12]} has no {CONFIGURATION}",
                hint="tidegate init writes one that fits this repository; commit it.",
            )
        return content

    @cached_property
    def settings(self) -> Settings:
        """What tidegate.yaml says. Raises `FileMissing`, `InvalidConfiguration`."""
        from tidegate.config.settings import load

        return load(self.content, CONFIGURATION)

    def recipe(self, environment: str) -> Recipe:
        """What an environment makes of the commit's files; "" for the default one.

        Raises `FileMissing`, `InvalidConfiguration`, `UnknownEnvironment`.
        """
        from tidegate.cli.recall import recall, remember
        from tidegate.config.recipe import is_self_contained, recipe_of

        if (known := recall(self.content, environment, self._read)) is not None:
            return known
        found = self.settings.environment(environment) if environment else self.settings.default_environment()
        recipe = recipe_of(self.define(found), self.settings.registry)
        files = {name: self._read(name) for name in (found.compose or COMPOSE_FILES)}
        if all(is_self_contained(content) for content in files.values() if content is not None):
            remember(self.content, environment, files, recipe)
        return recipe

    def define(self, environment: EnvironmentSettings) -> Definition:
        """What the environment makes of the commit's Compose files, with reasons. Raises `InvalidConfiguration`."""
        from tidegate.bootstrap.repository import make_normalizer
        from tidegate.config.compose import define

        files = compose_files(self.tree, environment)
        normal = make_normalizer().normalize(self.tree, files, dict(environment.env))
        return define(self.settings, environment, normal)

    def build(self, recipe: Recipe, progress: Callable[[str], None]) -> BuildReport:
        """The commit's artifact, found or built."""
        from tidegate.bootstrap.repository import make_builder
        from tidegate.engine.build import build

        return build(
            make_builder(recipe.registry),
            recipe.builds,
            app=recipe.app,
            registry=recipe.registry,
            commit=self.commit,
            tree=lambda: nullcontext(self.tree),
            progress=progress,
        )

    def _read(self, name: str) -> bytes | None:
        if self.commit.dirty:
            file = self.tree / name
            return file.read_bytes() if file.is_file() else None
        if name in self._usual:
            return self._usual[name]
        return self.source.read(self.commit.id, name)

    @cached_property
    def _usual(self) -> Mapping[str, bytes | None]:
        """The files that nearly every command looks for, read at once."""
        return self.source.read_all(self.commit.id, (CONFIGURATION, *COMPOSE_FILES))


def open_workspace(repo: Path, revision: str = "HEAD", *, allow_dirty: bool) -> Workspace:
    """The repository around `repo` at a revision. Raises `NotARepository`, `UnknownCommit`, `DirtyWorkTree`."""
    from tidegate.bootstrap.repository import make_source

    source = make_source(repo)
    commit = source.commit(revision)
    if commit.dirty and not allow_dirty:
        raise DirtyWorkTree(f"the work tree holds changes that commit {commit.id[:12]} does not")
    return Workspace(source, commit)


def compose_files(tree: Path, environment: EnvironmentSettings) -> list[str]:
    """The Compose files of an environment, by name. Raises `FileMissing`."""
    if environment.compose:
        for name in environment.compose:
            if not (tree / name).is_file():
                raise FileMissing(f"the commit has no {name}, which environment {environment.name} names")
        return list(environment.compose)
    for name in COMPOSE_FILES:
        if (tree / name).is_file():
            return [name]
    raise FileMissing("the commit has no compose.yaml", hint="Tidegate runs what a Compose file says; write one.")


def who() -> str:
    """Who asks, for the audit log: `user@host`."""
    import getpass
    import socket

    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def registry_credentials(registry: str | None) -> dict[str, Any] | None:
    """Credentials that the environment variables give, for the agent to pull with.

    Those in Docker's own store are not sent: the agent reads that itself.
    """
    if registry is None or not any(name.startswith("TIDEGATE_REGISTRY_") for name in os.environ):
        return None
    from dataclasses import asdict

    from tidegate.bootstrap.repository import find_credentials

    found = find_credentials(registry)
    return None if found is None else asdict(found)


def app_name(repo: Path) -> str:
    """The app of the repository around `repo`: by its work tree, or by its commit where there is none.

    Commands that only look need no more than this, so nothing is validated that they do not use.
    """
    from tidegate.config.appname import app_of

    for folder in (repo.absolute(), *repo.absolute().parents):
        file = folder / CONFIGURATION
        if file.is_file() and (name := app_of(file.read_bytes())) is not None:
            return name
        if (folder / ".git").exists():
            break
    with open_workspace(repo, allow_dirty=True) as space:
        return str(space.settings.app)
