"""BuildKit, the engine and private registries as they are: well, locked, down, refusing and silent."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.builders import images
from tests.integration.builders.registry import PASSWORD, USERNAME, Registry, free_port, listening

from tidegate.adapters.builders.buildx import Buildx, program
from tidegate.errors import BuildFailed, EngineUnavailable, RegistryRefused, RegistryUnavailable, ToolMissing
from tidegate.ports.builder import BuildTarget

BASE = os.environ.get("TIDEGATE_TEST_IMAGE", "local/python:3.11")
OURS = {"TIDEGATE_REGISTRY_USERNAME": USERNAME, "TIDEGATE_REGISTRY_PASSWORD": PASSWORD}
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("open"))
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("locked"), login=True)
    yield registry
    registry.close()


@pytest.fixture
def prefix() -> Iterator[str]:
    """A repository prefix of the test's own, for any host; what bears it is removed."""
    name = f"test-{uuid4().hex[:8]}"
    yield name
    command = ["docker", "image", "ls", "--format", "{{.Repository}}"]
    for repository in set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()):
        if f"/{name}/" in repository:
            images.remove(repository.rpartition("/")[0])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Docker's settings, whose buildx writes down how it is called before it does its work."""
    folder = tmp_path / "docker"
    (folder / "cli-plugins").mkdir(parents=True)
    real = program.buildx({"DOCKER_CONFIG": str(tmp_path / "none"), "PATH": os.environ["PATH"]})
    wrapper = folder / "cli-plugins" / "docker-buildx"
    wrapper.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{tmp_path}/argv'\nenv >>'{tmp_path}/env'\n"
        f"stat -c '%a %n' \"$DOCKER_CONFIG\" \"$DOCKER_CONFIG/config.json\" >>'{tmp_path}/files' 2>/dev/null\n"
        f'exec {" ".join(real)} "$@"\n'
    )
    wrapper.chmod(0o755)
    (folder / "config.json").write_text("{}")
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "DOCKER_CONFIG": str(home), **more}


def target(folder: Path, tag: str, dockerfile: str = "FROM scratch\nCOPY app.py /\n", **more: object) -> BuildTarget:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "app.py").write_text("print(1)\n")
    return BuildTarget(service=folder.name, context=folder, tags=(tag,), **more)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    pass


@pytest.mark.parametrize("several", [False, True])
def test_credentials_of_the_environment_open_the_registry_and_leave_no_trace(
    locked_registry: Registry, home: Path, tmp_path: Path, prefix: str, several: bool
) -> None:
    registry = f"{locked_registry.host}/{prefix}"
    builder = Buildx(registry, environment(home, SSH_AUTH_SOCK="/agent", DATABASE_URL="secret", **OURS))
    targets = [target(tmp_path / name, f"{registry}/{name}:one") for name in ("web", "worker")[: 1 + several]]
    said: list[str] = []
    built = builder.build(targets, push=True, progress=said.append)
    for name, image in built.items():
        assert image.startswith(f"{registry}/{name}@sha256:")
        assert builder.find(f"{registry}/{name}:one", registry=True) == image
        assert images.inspect(image) is not None  # the engine needs no pull
    environ = (tmp_path / "env").read_text()
    assert "SSH_AUTH_SOCK" not in environ
    assert "DATABASE_URL" not in environ
    seen = environ + (tmp_path / "argv").read_text() + "\n".join(said)
    assert PASSWORD not in seen
    assert base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode() not in seen
    modes = [line.split() for line in (tmp_path / "files").read_text().splitlines()]
    assert [mode for mode, _ in modes] == ["700", "600"]
    assert not any(Path(name).exists() for _, name in modes)
    assert json.loads((home / "config.json").read_text()) == {}


def test_credentials_of_docker_open_the_registry(
    locked_registry: Registry, home: Path, tmp_path: Path, prefix: str
) -> None:
    auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {locked_registry.host: {"auth": auth}}}))
    registry = f"{locked_registry.host}/{prefix}"
    builder = Buildx(registry, environment(home))
    built = builder.build([target(tmp_path / "web", f"{registry}/web:one")], push=True, progress=quiet)
    assert builder.find(f"{registry}/web:one", registry=True) == built["web"]


@pytest.mark.parametrize("more", [{}, {**OURS, "TIDEGATE_REGISTRY_PASSWORD": "wr0ng!"}])
def test_a_registry_that_denies_us_says_so(
    locked_registry: Registry, home: Path, tmp_path: Path, prefix: str, more: dict[str, str]
) -> None:
    registry = f"{locked_registry.host}/{prefix}"
    builder = Buildx(registry, environment(home, **more))
    with pytest.raises(RegistryRefused) as looked_up:
        builder.find(f"{registry}/web:one", registry=True)
    with pytest.raises(RegistryRefused) as pushed:
        builder.build([target(tmp_path / "web", f"{registry}/web:one")], push=True, progress=quiet)
    for raised in (looked_up, pushed):
        assert "TIDEGATE_REGISTRY_USERNAME" in raised.value.hint
        assert "wr0ng!" not in str(raised.value.to_payload())


def test_our_credentials_are_for_our_registry_only(
    locked_registry: Registry, open_registry: Registry, home: Path, prefix: str
) -> None:
    builder = Buildx(open_registry.host, environment(home, **OURS))
    with pytest.raises(RegistryRefused):
        builder.find(f"{locked_registry.host}/{prefix}/web:one", registry=True)


def _reach(registry_answers: bytes | None, home: Path, folder: Path, prefix: str) -> None:
    with listening(registry_answers) as host:
        builder = Buildx(f"{host}/{prefix}", environment(home), answer_within=0.5, push_within=1)
        _unavailable(builder, f"{host}/{prefix}", folder)


def _unavailable(builder: Buildx, registry: str, folder: Path) -> None:
    with pytest.raises(RegistryUnavailable) as looked_up:
        builder.find(f"{registry}/web:one", registry=True)
    assert registry in looked_up.value.message
    with pytest.raises(RegistryUnavailable) as pushed:
        builder.build([target(folder / "web", f"{registry}/web:one")], push=True, progress=quiet)
    assert pushed.value.retryable
    assert pushed.value.details


def test_a_registry_that_fails(home: Path, tmp_path: Path, prefix: str) -> None:
    _reach(UNAVAILABLE, home, tmp_path, prefix)


def test_a_registry_that_accepts_and_never_answers(home: Path, tmp_path: Path, prefix: str) -> None:
    _reach(None, home, tmp_path, prefix)


def test_a_registry_that_is_down(home: Path, tmp_path: Path, prefix: str) -> None:
    registry = f"127.0.0.1:{free_port()}/{prefix}"
    _unavailable(Buildx(registry, environment(home)), registry, tmp_path)


def test_a_pushed_image_needs_the_registry_no_more(home: Path, tmp_path: Path, prefix: str) -> None:
    registry = Registry(tmp_path / "registry")
    try:
        repository = f"{registry.host}/{prefix}"
        builder = Buildx(repository, environment(home))
        built = builder.build([target(tmp_path / "web", f"{repository}/web:one")], push=True, progress=quiet)
    finally:
        registry.close()
    here = images.inspect(built["web"])
    assert here is not None
    assert built["web"] in here["RepoDigests"]
    assert builder.find(f"{repository}/web:one", registry=False) == here["Id"]


def test_through_another_docker_context(open_registry: Registry, home: Path, tmp_path: Path, prefix: str) -> None:
    environ = environment(home)
    create = ["docker", "context", "create", "far", "--docker", "host=unix:///var/run/docker.sock"]
    subprocess.run(create, env=environ, check=True, capture_output=True)
    registry = f"{open_registry.host}/{prefix}"
    builder = Buildx(registry, {**environ, "DOCKER_CONTEXT": "far", **OURS})
    built = builder.build([target(tmp_path / "web", f"{registry}/web:one")], push=True, progress=quiet)
    assert builder.find(f"{registry}/web:one", registry=True) == built["web"]
    assert builder.find(f"{registry}/web:two", registry=True) is None
    assert str(builder.find(f"{registry}/web:one", registry=False)).startswith("sha256:")
    assert builder.find(f"{registry}/web:two", registry=False) is None


@pytest.mark.parametrize("several", [False, True])
def test_arguments_reach_the_build_as_they_are(home: Path, tmp_path: Path, prefix: str, several: bool) -> None:
    odd = "${HOME} %{ if true }'\"\\ $X --y\ttab"
    dockerfile = "FROM scratch AS slim\nARG ODD\nCOPY app.py /\nLABEL odd=$ODD\nFROM slim\nLABEL whole=yes\n"
    names = ("web", "worker")[: 1 + several]
    targets = [
        target(
            tmp_path / name,
            f"tidegate.local/{prefix}/{name}:one",
            dockerfile,
            arguments={"ODD": odd},
            labels={"more": odd},
            stage="slim",
        )
        for name in names
    ]
    built = Buildx(None, environment(home)).build(targets, push=False, progress=quiet)
    for name in names:
        found = images.inspect(built[name])
        assert found is not None
        assert found["Config"]["Labels"] == {"odd": odd, "more": odd}


def test_a_failed_step_shows_its_last_words(home: Path, tmp_path: Path, prefix: str) -> None:
    words = "for i in $(seq 100); do echo line $i; done; printf '\\033[31mred\\033[0m \\007bell\\n'; exit 3"
    broken = target(tmp_path / "web", f"tidegate.local/{prefix}/web:one", f"FROM {BASE}\nRUN : {prefix}; {words}\n")
    with pytest.raises(BuildFailed) as raised:
        Buildx(None, environment(home)).build([broken], push=False, progress=quiet)
    text = "\n".join(raised.value.details)
    assert "red bell" in text
    assert "exit code: 3" in text
    assert len(raised.value.details) <= 20
    assert "\x1b" not in text
    assert "\x07" not in text


def test_ctrl_c_ends_the_build_and_what_it_runs(home: Path, tmp_path: Path, prefix: str) -> None:
    long = target(
        tmp_path / "web",
        f"tidegate.local/{prefix}/web:one",
        f"FROM {BASE}\nRUN echo begun {prefix}; sh -c 'sleep 600; : {prefix}'\n",
    )

    def interrupt(line: str) -> None:
        if line == f"  begun {prefix}":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Buildx(None, environment(home)).build([long], push=False, progress=interrupt)
    assert not _running(str(tmp_path))
    deadline = time.monotonic() + 20
    while _running(f"sleep 600; : {prefix}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(f"sleep 600; : {prefix}")


def _running(words: str) -> list[str]:
    """Command lines of other processes that hold `words`."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and place.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_without_an_engine(home: Path, tmp_path: Path) -> None:
    builder = Buildx(None, environment(home, DOCKER_HOST=f"unix://{tmp_path}/none.sock"))
    with pytest.raises(EngineUnavailable, match=r"none\.sock"):
        builder.find("tidegate.local/shop/web:one", registry=False)
    with pytest.raises(EngineUnavailable):
        builder.find("registry.example.com/shop/web:one", registry=True)
    with pytest.raises(EngineUnavailable):
        builder.build([target(tmp_path / "web", "tidegate.local/shop/web:one")], push=False, progress=quiet)


def test_without_docker_or_buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_PLUGIN_FOLDERS", ())
    builder = Buildx(None, {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    with pytest.raises(ToolMissing, match="docker is not installed"):
        builder.build([target(tmp_path / "web", "tidegate.local/shop/web:one")], push=False, progress=quiet)
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho \"docker: 'buildx' is not a docker command.\" >&2\nexit 1\n")
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(ToolMissing, match="no buildx plugin"):
        builder.build([target(tmp_path / "web", "tidegate.local/shop/web:one")], push=False, progress=quiet)
