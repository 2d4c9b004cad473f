"""The real `docker compose` as normaliser: nothing leaks in, paths stay relative, faults are ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tidegate.adapters.normalizers.compose_cli import ComposeCli
from tidegate.config.compose import define, faults
from tidegate.config.settings import load
from tidegate.domain.service import Role
from tidegate.errors import InvalidConfiguration, ToolMissing

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_only_the_named_files_and_given_variables_count(tmp_path: Path) -> None:
    repo = write(
        tmp_path,
        {
            "compose.yaml": "services: {web: {image: x, environment: [PASSED, 'T=${TAG}', 'H=${HOME:-none}']}}",
            "compose.override.yaml": "services: {leak: {image: x}}",
            ".env": "TAG=dotenv\nPASSED=dotenv\nCOMPOSE_PROFILES=debug\n",
        },
    )
    shell = {**os.environ, "TAG": "shell", "PASSED": "shell", "COMPOSE_FILE": "other.yaml"}
    normal = ComposeCli(shell).normalize(repo, ["compose.yaml"], {"TAG": "a$b-${C}"})
    assert list(normal["services"]) == ["web"]
    assert normal["services"]["web"]["environment"] == {"PASSED": None, "T": "a$$b-$${C}", "H": "none"}


def test_a_variable_without_a_value_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": 'services: {w: {image: "x:${TAG}", command: "echo $HOME ${X:-} $$Y"}}'})
    with pytest.raises(InvalidConfiguration) as caught:
        ComposeCli().normalize(tmp_path, ["compose.yaml"], {})
    assert [line.split(" ")[0] for line in caught.value.details] == ["${HOME}", "${TAG}"]


def test_the_same_files_elsewhere_make_the_same_normal_form(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [db/c.yaml]\nservices: {web: {build: {context: ./w}, env_file: a.env,"
        " extends: {file: base/c.yaml, service: base}}}",
        "a.env": "A=1\n",
        "base/c.yaml": "services: {base: {build: {context: ., dockerfile: D}, env_file: b.env}}",
        "base/b.env": "B=2\n",
        "db/c.yaml": "services: {db: {image: p, x-tidegate: {role: app}, volumes: ['./i:/i']}}",
    }
    one, two = (ComposeCli().normalize(write(tmp_path / n, files), ["compose.yaml"], {}) for n in ("one", "two"))
    assert one == two
    assert one["services"]["web"]["build"] == {"context": "./w", "dockerfile": "D"}
    assert one["services"]["web"]["environment"] == {"A": "1", "B": "2"}
    assert one["services"]["db"]["x-tidegate"] == {"role": "app"}
    assert one["services"]["db"]["volumes"][0]["source"] == "db/i"


def test_files_are_merged_in_their_order_and_profiles_are_kept(tmp_path: Path) -> None:
    repo = write(
        tmp_path,
        {
            "deploy/compose.yaml": "services: {web: {build: ../src, scale: 1}, adminer: {image: a, profiles: [debug]}}",
            "deploy/more.yaml": "services: {web: {scale: 3}}",
        },
    )
    settings = load(
        b"app: shop\nenvironments:\n  staging:\n    compose: [deploy/compose.yaml, deploy/more.yaml]\n"
        b"    routes: [{service: web, port: 80, health: /}]\n"
    )
    staging = settings.environment("staging")
    definition = define(settings, staging, ComposeCli().normalize(repo, staging.compose, staging.env))
    assert definition.roles == {"web": Role.APP, "adminer": Role.NONE}
    assert definition.builds[0].context == "src"
    assert definition.services[0].replicas == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {w: {image: x, depends_on: [nope]}}", 'depends on undefined service "nope"'),
        ("services: {w: {image: x, mem_limit: lots}}", "lots"),
        ("include: ['https://example.com/x.git']\nservices: {w: {image: x}}", "disabled"),
        ("services: {w: {image: '${X?say X}'}}", "say X"),
        ("services: {w: {image: x, env_file: gone.env}}", "gone.env"),
    ],
)
def test_what_compose_refuses_is_told_in_its_words_without_our_paths(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, {"compose.yaml": text})
    with pytest.raises(InvalidConfiguration) as caught:
        ComposeCli().normalize(tmp_path, ["compose.yaml"], {})
    shown = "\n".join(caught.value.details)
    assert said in shown
    assert str(tmp_path) not in shown


def test_no_docker_is_a_missing_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="docker is not installed"):
        ComposeCli({"PATH": str(tmp_path)}).normalize(tmp_path, ["compose.yaml"], {})


def test_a_docker_without_compose_is_a_missing_tool(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": "services: {}"})
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(ToolMissing, match="compose is not installed"):
        ComposeCli({"PATH": str(tmp_path)}).normalize(tmp_path, ["compose.yaml"], {})


VALID = """\
x-base: &base {restart: always, logging: {driver: json-file}}
services:
  web:
    <<: *base
    build: {context: ., args: {A: "${A:-1}"}, target: run}
    ports: ["8000:8000", {target: 9, published: "9"}]
    environment: {A: 1, B: true, C: 1.5, D: , E: "$$x"}
    healthcheck: {test: [CMD, "true"], interval: 5s, retries: 3, start_period: 1m}
    depends_on: {db: {condition: service_started}}
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 64M, pids: 10}}}
    volumes: ["data:/data", {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 448}}, /anon]
    cap_add: [NET_BIND_SERVICE]
    sysctls: {net.core.somaxconn: 1024}
    extra_hosts: ["a:1.2.3.4"]
    ulimits: {nofile: 10, nproc: {soft: 1, hard: 2}}
    command: sh -c 'echo hi'
    stop_grace_period: 1m30s
    mem_reservation: 32m
    tmpfs: [/run]
    user: "1"
    profiles: []
    x-tidegate: {role: app}
  db: {image: postgres, volumes: ["data:/d:ro"], shm_size: 64mb, stop_signal: SIGINT, init: true, cpus: 0.5}
volumes: {data: }
networks: {default: }
"""


def test_what_the_files_check_allows_compose_allows_too(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yaml": VALID})
    assert faults({"compose.yaml": VALID.encode()}) == []
    assert set(ComposeCli().normalize(tmp_path, ["compose.yaml"], {})["services"]) == {"web", "db"}
