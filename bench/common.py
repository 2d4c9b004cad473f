"""What every benchmark stands on: a work place of its own that leaves nothing behind.

A bench has a temporary directory, a git repository with the application under measurement, a registry on
a loopback port, and an agent with its own home and router port. Everything made bears the run's label and
is removed at the end, by name or by process id.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
LABEL = "tidegate.bench"


def say(text: str) -> None:
    """Tell what is being done, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens just now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def run(*argv: str, cwd: Path | None = None, stdin: bytes | None = None) -> str:
    """A command's output. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(argv, cwd=cwd, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


def base_image() -> str:
    """The image that Dockerfiles are built on here, as script/setup decided."""
    return os.environ.get("TIDEGATE_BASE") or (HERE.parent / ".tidegate" / "base").read_text().strip()


@contextmanager
def daemon(argv: Sequence[str], log: Path) -> Iterator[int]:
    """A process for as long as the context lasts; its pid."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Wait until something listens. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


@dataclass(frozen=True)
class Command:
    """One run of `tidegate`: monotonic times in seconds."""

    began: float
    ended: float
    code: int
    output: str

    @property
    def seconds(self) -> float:
        """How long the whole command took."""
        return self.ended - self.began


@dataclass
class Bench:
    """The work place of one run."""

    root: Path
    id: str
    port: int = field(default_factory=free_port)

    @property
    def tidegate(self) -> str:
        """The program under measurement."""
        return str(Path(sys.executable).with_name("tidegate"))

    @property
    def environment(self) -> dict[str, str]:
        """What `tidegate` is told: a home and a router port of its own."""
        return {**os.environ, "TIDEGATE_HOME": str(self.root / "home"), "TIDEGATE_HTTP_PORT": str(self.port)}

    def call(self, *arguments: str, repo: Path | None = None, expect: int | None = 0) -> Command:
        """Run `tidegate`. Raises RuntimeError when its exit code is not `expect` (None: any)."""
        began = time.monotonic()
        done = subprocess.run(
            [self.tidegate, *arguments],
            cwd=repo,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        command = Command(began, time.monotonic(), done.returncode, done.stdout.decode(errors="replace"))
        if expect is not None and command.code != expect:
            raise RuntimeError(f"tidegate {' '.join(arguments)} ended with {command.code}:\n{command.output}")
        return command

    def repository(self, source: str, app: str, settings: str, base: str) -> Path:
        """A git repository with the files of `bench/<source>` and `settings` as its tidegate.yaml."""
        repo = self.root / app
        shutil.copytree(HERE / source, repo)
        dockerfile = repo / "Dockerfile"
        lines = dockerfile.read_text().splitlines()
        values = {"ARG BASE=": base, "ARG RUN=": self.id}
        dockerfile.write_text("".join(f"{_with_default(line, values)}\n" for line in lines))
        (repo / "tidegate.yaml").write_text(settings)
        run("git", "init", "-q", "-b", "main", cwd=repo)
        run("git", "config", "user.name", "bench", cwd=repo)
        run("git", "config", "user.email", "bench@localhost", cwd=repo)
        return repo


def _with_default(line: str, values: dict[str, str]) -> str:
    for start, value in values.items():
        if line.startswith(start):
            return start + value
    return line


def commit(repo: Path, version: str) -> str:
    """Change the application's one line and commit it; the commit's id."""
    (repo / "version.txt").write_text(f"{version}\n")
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-q", "-m", f"Version {version}", cwd=repo)
    return run("git", "rev-parse", "HEAD", cwd=repo)


@contextmanager
def registry(root: Path) -> Iterator[str]:
    """A registry on a loopback port; its address, `127.0.0.1:PORT`."""
    port = free_port()
    settings = root / "registry.yml"
    settings.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {root / 'registry'}}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    with daemon(["docker-registry", "serve", str(settings)], root / "registry.log"):
        wait_for_port(port)
        yield f"127.0.0.1:{port}"


@contextmanager
def bench() -> Iterator[Bench]:
    """A work place; afterwards its environments, agent, router, containers and images are gone."""
    root = Path(tempfile.mkdtemp(prefix="tgb-"))
    place = Bench(root, root.name)
    try:
        yield place
    except RuntimeError:
        log = root / "home" / "agent.log"
        if log.exists():
            say(f"the agent's log ends so:\n{log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        leave(place)
        shutil.rmtree(root, ignore_errors=True)


def leave(place: Bench) -> None:
    """Remove what the run made outside its directory."""
    say("cleaning up")
    repositories = [settings.parent for settings in place.root.glob("*/tidegate.yaml")]
    if (place.root / "home").exists():
        for repo in repositories:
            place.call("destroy", "staging", "--repo", str(repo), expect=None)
        place.call("agent", "stop", "--router", expect=None)
    ours = f"label={LABEL}={place.id}"  # an image's labels are its containers', too
    _remove(["ps", "-aq", "--filter", ours], ["rm", "-f", "-v"])
    for repo in repositories:
        _remove(["network", "ls", "-q", "--filter", f"label=tidegate.app={repo.name}"], ["network", "rm"])
    _remove(["images", "-aq", "--filter", ours], ["rmi", "-f"])


def _remove(listing: list[str], removal: list[str]) -> None:
    with suppress(RuntimeError):  # what another process removed meanwhile is as gone as we want it
        found = dict.fromkeys(run("docker", *listing).split())
        if found:
            run("docker", *removal, *found)
