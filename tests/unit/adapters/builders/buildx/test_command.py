"""What buildx is told."""

from __future__ import annotations

import json
from pathlib import Path

from tidegate.adapters.builders.buildx.command import build_command, target_names
from tidegate.ports.builder import BuildTarget

WEB = BuildTarget(
    service="web",
    context=Path("/src"),
    tags=("shop/web:1", "shop/web:2"),
    dockerfile="deploy/Dockerfile",
    stage="slim",
    arguments={"B": "${HOME} %{if}", "A": "--x"},
)


def test_one_target_is_built_by_build(tmp_path: Path) -> None:
    command = build_command(["docker", "buildx"], [WEB], push=False, scratch=tmp_path)
    assert command.argv == (
        *("docker", "buildx", "build", "--provenance=false", "--progress=plain", "--load"),
        f"--metadata-file={tmp_path}/metadata.json",
        *("--file=/src/deploy/Dockerfile", "--tag=shop/web:1", "--tag=shop/web:2"),
        *("--build-arg=A=--x", "--build-arg=B=${HOME} %{if}", "--target=slim", "/src"),
    )


def test_several_are_built_by_bake_whose_templates_do_not_apply(tmp_path: Path) -> None:
    worker = BuildTarget(service="worker.a", context=Path("/src/jobs"), tags=("shop/worker:1",))
    command = build_command(["docker-buildx"], [WEB, worker], push=True, scratch=tmp_path)
    assert command.argv == (
        *("docker-buildx", "bake", "--provenance=false", "--progress=plain", "--push"),
        f"--metadata-file={tmp_path}/metadata.json",
        *(f"--file={tmp_path}/bake.json", "web", "worker_a"),
    )
    assert json.loads((tmp_path / "bake.json").read_text())["target"] == {
        "web": {
            "context": "/src",
            "dockerfile": "/src/deploy/Dockerfile",
            "tags": ["shop/web:1", "shop/web:2"],
            "args": {"A": "--x", "B": "$${HOME} %%{if}"},
            "labels": {},
            "target": "slim",
        },
        "worker_a": {
            "context": "/src/jobs",
            "dockerfile": "/src/jobs/Dockerfile",
            "tags": ["shop/worker:1"],
            "args": {},
            "labels": {},
        },
    }


def test_names_for_bake_differ() -> None:
    for services in (["a.b", "a_b"], ["a_b", "a.b"], ["a.b", "a_b-0-"], ["web", "worker"], ["a.b", "a_b", "a_b-1-"]):
        assert len(set(target_names(services))) == len(services), services
    assert target_names(["web", "worker"]) == ("web", "worker")
