"""What becomes of a commit: found, built in part, or built whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.doubles.builder import FakeBuilder

from tidegate.domain.build import BuildReport, BuildSpec, image_tag, repository
from tidegate.engine.build import build
from tidegate.errors import FileMissing, InvalidConfiguration, RegistryUnavailable
from tidegate.ports.source import Commit

CLEAN = Commit(id="0123456789abcdef" * 2 + "01234567", subject="first", dirty=False)
DIRTY = Commit(id=CLEAN.id, subject="first", dirty=True)
WEB = BuildSpec("web", arguments={"VERSION": "1"})
WORKER = BuildSpec("worker", context="jobs")


class Tree:
    """A checkout that counts how often it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked = 0
        for folder in (root, root / "jobs"):
            folder.mkdir(exist_ok=True)
            (folder / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
            (folder / "app.py").write_text("print(1)\n")

    @contextmanager
    def __call__(self) -> Iterator[Path]:
        self.asked += 1
        yield self.root


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


@pytest.fixture
def builder() -> FakeBuilder:
    return FakeBuilder()


def make(
    builder: FakeBuilder,
    tree: Tree,
    *specs: BuildSpec,
    commit: Commit = CLEAN,
    registry: str | None = None,
    lines: list[str] | None = None,
) -> BuildReport:
    progress = ([] if lines is None else lines).append
    return build(builder, specs, app="shop", registry=registry, commit=commit, tree=tree, progress=progress)


@pytest.mark.parametrize("registry", [None, "registry.example.com/shop"])
def test_a_commit_is_built_once(builder: FakeBuilder, tree: Tree, registry: str | None) -> None:
    lines: list[str] = []
    first = make(builder, tree, WEB, WORKER, registry=registry, lines=lines)
    assert first.built == ("web", "worker")
    assert first.found == ()
    assert lines
    again = make(builder, tree, WEB, WORKER, registry=registry)
    assert again.artifact == first.artifact
    assert again.found == ("web", "worker")
    assert again.built == ()
    assert tree.asked == 1
    assert len(builder.built) == 1
    assert all(in_registry is (registry is not None) for _, in_registry in builder.looked_up)


def test_images_are_named_for_app_service_commit_and_spec(builder: FakeBuilder, tree: Tree) -> None:
    make(builder, tree, WEB)
    (tag,) = builder.engine
    assert tag.startswith("tidegate.local/shop/web:git-0123456789ab-")
    make(builder, tree, WEB, registry="registry.example.com/shop")
    (pushed,) = builder.registry
    assert pushed.startswith("registry.example.com/shop/web:git-0123456789ab-")
    assert pushed.rpartition(":")[2] == tag.rpartition(":")[2]


def test_only_what_is_missing_is_built(builder: FakeBuilder, tree: Tree) -> None:
    make(builder, tree, WEB)
    report = make(builder, tree, WEB, WORKER)
    assert report.found == ("web",)
    assert report.built == ("worker",)
    assert [target.service for target in builder.built[-1]] == ["worker"]
    assert set(report.artifact.images) == {"web", "worker"}


def test_another_spec_of_the_same_commit_is_another_image(builder: FakeBuilder, tree: Tree) -> None:
    make(builder, tree, WEB)
    assert make(builder, tree, BuildSpec("web", arguments={"VERSION": "2"})).built == ("web",)
    assert make(builder, tree, BuildSpec("web", stage="slim", arguments={"VERSION": "1"})).built == ("web",)
    assert make(builder, tree, BuildSpec("web", arguments={"VERSION": "1"})).found == ("web",)


def test_a_dirty_work_tree_is_marked_and_never_looked_up(builder: FakeBuilder, tree: Tree) -> None:
    clean = make(builder, tree, WEB).artifact
    (tree.root / "app.py").write_text("print(2)\n")
    builder.looked_up.clear()
    first = make(builder, tree, WEB, commit=DIRTY)
    assert first.artifact.dirty
    assert first.artifact.images != clean.images
    assert first.built == ("web",)
    assert make(builder, tree, WEB, commit=DIRTY).built == ("web",)
    assert builder.looked_up == []
    assert sum("-dirty-" in tag for tag in builder.engine) == 1  # equal content, equal name
    (tree.root / "app.py").write_text("print(3)\n")
    make(builder, tree, WEB, commit=DIRTY)
    assert sum("-dirty-" in tag for tag in builder.engine) == 2
    assert make(builder, tree, WEB).artifact == clean


def test_arguments_stage_and_dockerfile_are_passed_as_given(builder: FakeBuilder, tree: Tree) -> None:
    (tree.root / "deploy").mkdir()
    (tree.root / "deploy" / "web.Dockerfile").write_text("FROM scratch\n")
    spec = BuildSpec("web", ".", "deploy/web.Dockerfile", "slim", {"A": "${B} 'c'", "D": ""})
    make(builder, tree, spec)
    ((target,),) = builder.built
    assert target.context == tree.root.resolve()
    assert (target.dockerfile, target.stage, target.arguments) == (spec.dockerfile, spec.stage, spec.arguments)
    assert target.labels == {}


@pytest.mark.parametrize(
    "spec",
    [
        BuildSpec("web", ".."),
        BuildSpec("web", "jobs/../.."),
        BuildSpec("web", "/etc"),
        BuildSpec("web", "out"),
        BuildSpec("web", "circle"),
        BuildSpec("web", "a\0b"),
        BuildSpec("web", dockerfile="../Dockerfile"),
        BuildSpec("web", dockerfile="/etc/passwd"),
        BuildSpec("web", dockerfile="passwd"),
        BuildSpec("web", dockerfile="out/Dockerfile"),
    ],
)
def test_nothing_outside_of_the_repository_is_built(builder: FakeBuilder, tree: Tree, spec: BuildSpec) -> None:
    outside = tree.root.parent / "outside"
    outside.mkdir()
    (outside / "Dockerfile").write_text("FROM scratch\n")
    (tree.root / "out").symlink_to("../outside")
    (tree.root / "circle").symlink_to("circle")
    (tree.root / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(InvalidConfiguration, match="outside of the repository"):
        make(builder, tree, spec)
    assert builder.built == []


def test_a_link_that_stays_inside_is_followed(builder: FakeBuilder, tree: Tree) -> None:
    (tree.root / "link").symlink_to("jobs")
    assert make(builder, tree, BuildSpec("web", "link")).built == ("web",)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [(BuildSpec("web", "app"), "no folder app"), (BuildSpec("web", "jobs", "Other"), "no file jobs/Other")],
)
def test_what_the_commit_does_not_have_is_named(
    builder: FakeBuilder, tree: Tree, spec: BuildSpec, missing: str
) -> None:
    with pytest.raises(FileMissing, match=missing):
        make(builder, tree, spec)


def test_a_look_up_that_fails_builds_nothing(builder: FakeBuilder, tree: Tree) -> None:
    builder.failure = RegistryUnavailable("down")
    with pytest.raises(RegistryUnavailable):
        make(builder, tree, WEB, WORKER, registry="registry.example.com/shop")
    assert tree.asked == 0
    assert builder.built == []


def test_an_app_that_builds_nothing_has_an_empty_artifact(builder: FakeBuilder, tree: Tree) -> None:
    report = make(builder, tree, registry="registry.example.com/shop")
    assert report.artifact.images == {}
    assert tree.asked == 0


@pytest.mark.parametrize(
    ("service", "component"),
    [("web", "web"), ("Web", "web"), ("a_b", "a_b"), ("a..b", "a-b"), ("web-", "web"), ("a.b", "a.b")],
)
def test_every_service_name_makes_a_repository(service: str, component: str) -> None:
    assert repository("shop", service, "registry.example.com/team/") == f"registry.example.com/team/{component}"
    # Services whose repositories are the same are told apart by their tags.
    assert image_tag(BuildSpec(service), CLEAN.id) != image_tag(BuildSpec(f"{service}x"), CLEAN.id)
