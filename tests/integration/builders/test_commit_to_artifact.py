"""From commits of a real repository to images, with the real builder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.builders import images
from tests.integration.builders.registry import Registry

from tidegate.adapters.builders.buildx import Buildx
from tidegate.adapters.sources.git import GitSource
from tidegate.domain.build import BuildReport, BuildSpec
from tidegate.engine.build import build

QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
WHO = {f"GIT_{role}_{part}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
SPECS = (BuildSpec("web"), BuildSpec("worker", "jobs"))


class Shop:
    """An app of two services in a repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "jobs").mkdir(parents=True)
        for place in (folder, folder / "jobs"):
            (place / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
            (place / "app.py").write_text("print(1)\n")
        self.git("init", "--quiet")
        self.commit(".gitignore", ".env\n")

    def git(self, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], **QUIET, **WHO}
        subprocess.run(["git", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True)

    def commit(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"change {name}")

    def build(self, registry: str | None = None) -> BuildReport:
        source = GitSource(self.folder, {"PATH": os.environ["PATH"], **QUIET})
        commit = source.commit()

        def tree() -> AbstractContextManager[Path]:
            return source.checkout(commit)

        def progress(line: str) -> None:
            pass

        builder = Buildx(registry)
        return build(
            builder, SPECS, app=self.folder.name, registry=registry, commit=commit, tree=tree, progress=progress
        )


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / f"test-{uuid4().hex[:8]}")
    yield shop
    images.remove(f"tidegate.local/{shop.folder.name}")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()


def test_a_commit_is_built_once_and_a_changed_service_anew(shop: Shop) -> None:
    first = shop.build()
    assert first.built == ("web", "worker")
    assert shop.build().found == ("web", "worker")
    assert shop.build().artifact == first.artifact
    shop.commit("jobs/app.py", "print(2)\n")
    second = shop.build()
    assert second.artifact.images["web"] == first.artifact.images["web"]
    assert second.artifact.images["worker"] != first.artifact.images["worker"]


def test_a_commit_that_changes_nothing_in_an_image_makes_the_same_image(shop: Shop) -> None:
    first = shop.build()
    shop.commit("README.md", "for people\n")
    second = shop.build()
    assert second.artifact.commit != first.artifact.commit
    assert second.artifact.images == first.artifact.images
    assert second.built == ("web", "worker")


def test_the_registry_knows_a_commit_that_another_machine_built(shop: Shop, registry: Registry) -> None:
    where = f"{registry.host}/{shop.folder.name}"
    try:
        first = shop.build(where)
        assert all(image.startswith(f"{where}/") for image in first.artifact.images.values())
        images.remove(where)  # as if this machine had never seen them
        again = shop.build(where)
        assert again.found == ("web", "worker")
        assert again.artifact == first.artifact
    finally:
        images.remove(where)


def test_a_dirty_work_tree_is_built_as_it_is(shop: Shop) -> None:
    first = shop.build()
    (shop.folder / "app.py").write_text("print(3)\n")
    dirty = shop.build()
    assert dirty.artifact.dirty
    assert dirty.artifact.images["web"] != first.artifact.images["web"]
    assert dirty.artifact.images["worker"] == first.artifact.images["worker"]
    shop.git("checkout", "--quiet", "app.py")
    assert shop.build().artifact == first.artifact
