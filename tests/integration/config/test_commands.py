"""init, check and schema as a user types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.config.settings import load

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")
COMPOSE = "services:\n  web: {build: ., ports: ['80:8080']}\n  db: {image: 'postgres:16'}\n"


def tidegate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "Shop"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/trunk\n")
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "app.py").write_text('if path == "/healthz": ...\n')
    return folder


def test_init_then_check(repo: Path) -> None:
    done = tidegate("init", "--repo", str(repo))
    assert done.returncode == 0, done.stderr
    assert "tidegate check" in done.stdout
    written = (repo / "tidegate.yaml").read_text()
    staging = load(written.encode()).environment("staging")
    assert (staging.branch, staging.routes[0].port, staging.routes[0].health) == ("trunk", 8080, "/healthz")

    again = tidegate("init", "--repo", str(repo))
    assert again.returncode == 1 and "file-exists" in again.stderr
    assert (repo / "tidegate.yaml").read_text() == written

    checked = tidegate("check", "--repo", str(repo))
    assert checked.returncode == 0, checked.stderr
    lines = [line.split() for line in checked.stdout.splitlines()]
    assert ["web", "app", "x1", "it", "is", "routed"] in lines
    assert ["db", "accessory", "x1", "it", "is", "neither", "built", "nor", "routed"] in lines
    data = json.loads(tidegate("check", "--json", "--repo", str(repo)).stdout)
    assert data["valid"] is True
    assert data["environments"]["production"]["promote"] == "staging"


def test_check_tells_the_faults_of_both_files(repo: Path) -> None:
    (repo / "tidegate.yaml").write_text("app: shop\nenvironments: {staging: {brnch: main}}\n")
    (repo / "compose.yaml").write_text(COMPOSE.replace("ports", "prots"))
    done = tidegate("check", "--repo", str(repo))
    assert done.returncode == 1
    assert "tidegate.yaml:2:26: unknown key 'brnch'" in done.stderr
    assert "compose.yaml:2:19: unknown key 'prots'; did you mean 'ports'?" in done.stderr
    machine = tidegate("check", "--json", "--repo", str(repo))
    assert machine.returncode == 1
    assert len(json.loads(machine.stdout)["faults"]) == 2


def test_check_tells_the_faults_of_all_environments(repo: Path) -> None:
    (repo / "tidegate.yaml").write_text(
        "app: shop\nenvironments:\n"
        "  one: {routes: [{host: a, service: wbe, port: 1, health: /}]}\n"
        "  two: {routes: [{host: b, service: db, port: 1, health: /}], migrate: gone}\n"
    )
    done = tidegate("check", "--repo", str(repo))
    assert done.returncode == 1
    for fault in ("tidegate.yaml:3:37: no service 'wbe'", "tidegate.yaml:4:72: no service 'gone'", "services.db.image"):
        assert fault in done.stderr


def test_schema_is_json() -> None:
    assert json.loads(tidegate("schema").stdout)["title"] == "tidegate.yaml"
