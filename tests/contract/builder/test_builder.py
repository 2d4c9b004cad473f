"""What every builder promises; the double is held to it like the real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from tests.doubles.builder import FakeBuilder
from tests.integration.builders import images
from tests.integration.builders.registry import Registry

from tidegate.adapters.builders.buildx import Buildx
from tidegate.errors import BuildFailed
from tidegate.ports.builder import Builder, BuildTarget

CONTENT_ID = re.compile(r"sha256:[0-9a-f]{64}")
lines: list[str] = []


@dataclass
class Rig:
    builder: Builder
    local: str  # prefix of repositories that stay in the engine
    remote: str  # and of those that are pushed


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()


@pytest.fixture(params=["fake", "buildx"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    local = f"tidegate.local/test-{uuid4().hex[:8]}"
    if request.param == "fake":
        yield Rig(FakeBuilder(), local, "registry.example.com/shop")
        return
    remote = f"{request.getfixturevalue('registry').host}/{uuid4().hex[:8]}"
    yield Rig(Buildx(remote), local, remote)
    images.remove(local)
    images.remove(remote)


def target(folder: Path, tag: str, **files: str) -> BuildTarget:
    """A target that copies app.py."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
    for name, content in {"app": "print(1)\n", **files}.items():
        (folder / f"{name}.py").write_text(content)
    return BuildTarget(service=folder.name, context=folder, tags=(tag,))


def build(rig: Rig, *targets: BuildTarget, push: bool = False) -> dict[str, str]:
    lines.clear()
    return dict(rig.builder.build(targets, push=push, progress=lines.append))


def test_an_image_stays_in_the_engine_under_its_content_id(rig: Rig, tmp_path: Path) -> None:
    tag = f"{rig.local}/web:one"
    assert rig.builder.find(tag, registry=False) is None
    built = build(rig, target(tmp_path / "web", tag))
    assert CONTENT_ID.fullmatch(built["web"])
    assert rig.builder.find(tag, registry=False) == built["web"]
    assert any("COPY app.py /" in line for line in lines)


def test_a_pushed_image_is_found_in_the_registry_by_its_digest(rig: Rig, tmp_path: Path) -> None:
    tag = f"{rig.remote}/web:one"
    assert rig.builder.find(tag, registry=True) is None
    built = build(rig, target(tmp_path / "web", tag), push=True)
    repository, _, digest = built["web"].partition("@")
    assert repository == f"{rig.remote}/web"
    assert CONTENT_ID.fullmatch(digest)
    assert rig.builder.find(tag, registry=True) == built["web"]
    assert rig.builder.find(f"{rig.remote}/web:two", registry=True) is None


def test_equal_content_is_the_same_image_and_other_content_another(rig: Rig, tmp_path: Path) -> None:
    one = build(rig, target(tmp_path / "web", f"{rig.local}/web:one"))
    same = build(rig, target(tmp_path / "web", f"{rig.local}/web:two", docs="not copied\n"))
    other = build(rig, target(tmp_path / "web", f"{rig.local}/web:three", app="print(2)\n"))
    assert one == same != other
    assert rig.builder.find(f"{rig.local}/web:one", registry=False) == one["web"]


@pytest.mark.parametrize("push", [False, True])
def test_several_targets_are_built_together(rig: Rig, tmp_path: Path, push: bool) -> None:
    prefix = rig.remote if push else rig.local
    # The last two would have one name if every unusual character were merely replaced.
    names = ("web", "a.b", "a_b")
    targets = [target(tmp_path / name, f"{prefix}/{name}:one", app=f"{name}\n") for name in names]
    built = build(rig, *targets, push=push)
    assert set(built) == set(names)
    assert len(set(built.values())) == len(names)
    for name in names:
        assert rig.builder.find(f"{prefix}/{name}:one", registry=push) == built[name]


def test_every_tag_names_the_image(rig: Rig, tmp_path: Path) -> None:
    first = target(tmp_path / "web", "")
    tags = (f"{rig.remote}/web:one", f"{rig.remote}/web:latest")
    built = build(rig, BuildTarget(service="web", context=first.context, tags=tags), push=True)
    assert [rig.builder.find(tag, registry=True) for tag in tags] == [built["web"]] * 2


def test_what_cannot_be_built_is_told_with_the_reason(rig: Rig, tmp_path: Path) -> None:
    broken = target(tmp_path / "web", f"{rig.local}/web:one")
    (tmp_path / "web" / "app.py").unlink()
    with pytest.raises(BuildFailed) as raised:
        build(rig, broken)
    assert "web" in raised.value.message
    assert any("not found" in line for line in raised.value.details)
    assert rig.builder.find(f"{rig.local}/web:one", registry=False) is None


def test_nothing_to_build_is_nothing_to_do(rig: Rig) -> None:
    assert build(rig) == {}
