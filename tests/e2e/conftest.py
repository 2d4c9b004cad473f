"""A user's machine: one agent with its router for all the tests here, and a repository for each."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BASE = os.environ.get("TIDEGATE_TEST_IMAGE", "local/python:3.11")
APP = Path(__file__).parent / "app"
GIT = ["git", "-c", "user.name=Someone", "-c", "user.email=someone@example.com", "-c", "init.defaultBranch=main"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SOON = 20.0  # seconds; how soon it really is stands in the benchmarks


def eventually(what: Callable[[], bool], within: float = SOON) -> None:
    """Wait for something that comes by itself."""
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]


@dataclass
class Host:
    """A home, a port, and the commands run against them."""

    home: Path
    port: int
    repositories: list[Repository] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TIDEGATE_HOME": str(self.home), "TIDEGATE_HTTP_PORT": str(self.port), "COLUMNS": "200"}

    def start(self, *argv: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tidegate", *argv],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str, cwd: Path | None = None, code: int | None = 0, timeout: float = 120) -> Done:
        process = self.start(*argv, cwd=cwd)
        out, err = process.communicate(timeout=timeout)
        assert code is None or process.returncode == code, f"{argv} -> {process.returncode}\n{out}\n{err}\n{self.log()}"
        return Done(process.returncode, out, err)

    def log(self) -> str:
        file = self.home / "agent.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def agent(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("agent", "status", "--json").out)
        return found

    def get(self, host: str, path: str = "/", timeout: float = 10) -> tuple[int, str]:
        """(status, body) through the router; (0, reason) when there is no answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


@dataclass
class Repository:
    """A user's repository with one app in it."""

    host: Host
    path: Path
    app: str

    def commit(self, message: str = "change", **files: str) -> str:
        for name, content in files.items():
            (self.path / name.replace("__", "/")).write_text(content)
        subprocess.run([*GIT, "add", "-A"], cwd=self.path, check=True)
        subprocess.run([*GIT, "commit", "-qm", message], cwd=self.path, check=True)
        return subprocess.run(
            [*GIT, "rev-parse", "HEAD"], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout.strip()

    def version(self, version: str, mode: str = "ok") -> str:
        return self.commit(f"version {version}", **{"version.txt": version, "mode.txt": mode})

    def run(self, *argv: str, **options: Any) -> Done:
        return self.host.run(*argv, cwd=self.path, **options)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return self.host.start(*argv, cwd=self.path)

    def status(self, environment: str = "staging") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", environment, "--json").out)
        return found

    def get(self, path: str = "/", environment: str = "staging", timeout: float = 10) -> tuple[int, str]:
        return self.host.get(f"{environment}.{self.app}.test", path, timeout)

    def containers(self) -> list[str]:
        listed = subprocess.run(
            ["docker", "ps", "-a", "--filter", f"label=tidegate.app={self.app}", "--format", "{{.Names}}"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return sorted(listed.stdout.split())


COMPOSE = """\
services:
  web:
    build:
      context: .
      args: {{BASE: {base}}}
    stop_grace_period: 3s
{more}"""

SETTINGS = """\
app: {app}
environments:
  staging:
    target: {{docker: local}}
    routes: [{{host: staging.{app}.test, service: web, port: 8000, health: /health}}]
    replicas: {{web: {replicas}}}
    start-within: {start_within}
    keep-warm: {keep_warm}
  production:
    promote: staging
    target: {{docker: local}}
    routes: [{{host: production.{app}.test, service: web, port: 8000, health: /health}}]
"""


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The machine; left as it was found."""
    home = Path(tempfile.mkdtemp(prefix="tg-"))
    machine = Host(home, free_port())
    try:
        yield machine
    finally:
        machine.run("agent", "stop", "--router", code=None)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def repository(host: Host, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Repository]]:
    """Makes repositories; what was deployed from them is destroyed afterwards, images included."""
    made: list[Repository] = []

    def make(
        *,
        replicas: int = 1,
        more: str = "",
        start_within: str = "20s",
        keep_warm: str = "10m",
        settings: str = SETTINGS,
    ) -> Repository:
        app = f"t{os.getpid()}-{len(made)}-{abs(hash(request.node.name)) % 10**6}"
        app = app.replace("--", "-")
        path = tmp_path / app
        shutil.copytree(APP, path)
        subprocess.run([*GIT, "init", "-q", str(path)], check=True)
        (path / "compose.yaml").write_text(COMPOSE.format(base=BASE, more=more))
        (path / "tidegate.yaml").write_text(
            settings.format(app=app, replicas=replicas, start_within=start_within, keep_warm=keep_warm)
        )
        found = Repository(host, path, app)
        made.append(found)
        found.version("v1")
        return found

    yield make
    for one in made:
        for environment in ("production", "staging"):
            one.run("destroy", environment, code=None)
        named = ["docker", "images", "-q", "--filter", f"reference=tidegate.local/{one.app}/*"]
        images = subprocess.run(named, check=True, capture_output=True, text=True).stdout.split()
        if images:
            subprocess.run(["docker", "rmi", "-f", *sorted(set(images))], check=False, capture_output=True)
