"""What only a real engine can show: names that resolve, addresses that stay, definitions that are honoured."""

from __future__ import annotations

import itertools
import json
import os
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.integration.builders.registry import PASSWORD, USERNAME, Registry, free_port

from tidegate.adapters.targets.docker import DockerTarget
from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Phase, Replica
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.domain.service import Role, Service
from tidegate.errors import EngineRefused, EngineUnavailable, ImageMissing, RegistryRefused, RegistryUnavailable
from tidegate.ports.target import RegistryAuth, ReplicaEvent

IMAGE = os.environ.get("TIDEGATE_TEST_IMAGE", "local/python:3.11")
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]
numbers = itertools.count()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    client: Any = docker.APIClient(version="auto")
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(client: Any) -> str:
    return str(client.inspect_image(IMAGE)["Id"])


@pytest.fixture(scope="module")
def target() -> DockerTarget:
    return DockerTarget()


@pytest.fixture
def env(target: DockerTarget, client: Any) -> Iterator[EnvironmentName]:
    environment = EnvironmentName(f"i{os.getpid()}", f"e{next(numbers)}")
    target.ensure_network(environment)
    yield environment
    for replica in target.observe(environment).replicas:
        client.remove_container(replica.id, force=True, v=True)
    for accessory in target.observe(environment).accessories:
        client.remove_container(accessory.id, force=True, v=True)
    target.remove_environment(environment, volumes=True)


@pytest.fixture
def run(target: DockerTarget, env: EnvironmentName, image: str) -> Callable[..., list[Replica]]:
    """Start a release of app services, each with one replica."""

    def start(number: int, definitions: dict[str, dict[str, Any]], pinned: str = image) -> list[Replica]:
        services = [
            Service(n, Role.APP, pinned, definition={"command": SLEEP, **d}) for n, d in sorted(definitions.items())
        ]
        release = Release(
            env,
            number,
            Artifact("c" * 40, {s.name: s.image for s in services}),
            Configuration(tuple(services)),
            "f",
            datetime(2026, 1, 1, tzinfo=UTC),
            "me",
        )
        if release.needs_network:
            target.ensure_release_network(release)
        network = ip_network(target.observe(env).network or "")
        places = [ReplicaPlace(s, 1, str(network[number * 10 + i])) for i, s in enumerate(services)]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda place: target.start_replica(release, place), places))

    return start


def ask(client: Any, container: str, *words: str) -> tuple[int, str]:
    """Run a command in a container; its exit code and output."""
    made = client.exec_create(container, list(words))["Id"]
    output = client.exec_start(made).decode().strip()
    return client.exec_inspect(made)["ExitCode"], output


def resolves(client: Any, container: str, name: str) -> set[str]:
    _, output = ask(client, container, "getent", "ahostsv4", name)
    return {line.split()[0] for line in output.splitlines()}


# --- names and addresses ------------------------------------------------------------------------------


def test_names_resolve_within_a_release_and_to_accessories_only(
    target: DockerTarget, client: Any, env: EnvironmentName, image: str, run: Callable[..., list[Replica]]
) -> None:
    named = {"command": SLEEP, "container_name": "the_database"}
    target.start_accessory(env, Service("db", Role.ACCESSORY, image, definition=named))
    web1, worker1 = run(1, {"web": {}, "worker": {}})
    web2, worker2 = run(2, {"web": {}, "worker": {}})
    (only3,) = run(3, {"worker": {}})

    def own(replica: Replica) -> set[str]:
        networks = client.inspect_container(replica.id)["NetworkSettings"]["Networks"]
        return {endpoint["IPAddress"] for endpoint in networks.values()}

    for web, worker in ((web1, worker1), (web2, worker2)):
        found = resolves(client, web.id, "worker")
        assert found and found <= own(worker), "two services of one release find each other"
        assert resolves(client, worker.id, "web") <= own(web)
    assert resolves(client, only3.id, "web") == set(), "another release's names do not resolve"
    for replica in (web1, worker2, only3):
        assert len(resolves(client, replica.id, "db")) == 1, "an accessory's name resolves from every release"
        assert resolves(client, replica.id, "the_database") == resolves(client, replica.id, "db")
    (accessory,) = target.observe(env).accessories
    assert resolves(client, accessory.id, "web") == set()


def test_what_an_accessory_gets_never_lies_where_replicas_get_theirs(
    target: DockerTarget, client: Any, env: EnvironmentName, image: str
) -> None:
    target.start_accessory(env, Service("db", Role.ACCESSORY, image, definition={"command": SLEEP}))
    (accessory,) = target.observe(env).accessories
    network = ip_network(target.observe(env).network or "")
    given = client.inspect_container(accessory.id)["NetworkSettings"]["Networks"][env.slug]["IPAddress"]
    assert given in {str(a) for a in list(network)[128:]}


def test_stopped_and_started_in_the_other_order_each_keeps_its_address(
    target: DockerTarget, client: Any, env: EnvironmentName, run: Callable[..., list[Replica]]
) -> None:
    (old,), (new,) = run(1, {"web": {}}), run(2, {"web": {}})
    for replica in (old, new):
        client.stop(replica.id, timeout=1)
    assert [r.address for r in target.observe(env).replicas] == [old.address, new.address], "kept while stopped"
    for replica in (new, old):
        client.start(replica.id)
    again = target.observe(env).replicas
    assert [(r.id, r.address, r.running) for r in again] == [
        (old.id, old.address, True),
        (new.id, new.address, True),
    ]
    assert {r.life for r in again}.isdisjoint({old.life, new.life})


def test_a_replica_reaches_the_host_and_the_host_reaches_it(
    client: Any, run: Callable[..., list[Replica]], target: DockerTarget
) -> None:
    import urllib.request

    command = ["python3", "-m", "http.server", "8000", "--directory", "/usr"]
    (web,) = run(1, {"web": {"command": command}})
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://{web.address}:8000/", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            threading.Event().wait(0.05)
    raise AssertionError(list(target.logs(web.id, tail=20, follow=False)))


# --- definitions --------------------------------------------------------------------------------------


def test_the_engine_does_what_the_definition_says(
    target: DockerTarget, client: Any, env: EnvironmentName, tmp_path: Path, run: Callable[..., list[Replica]]
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "given").write_text("from the host")
    tell = textwrap.dedent("""
        import json, os, resource, socket
        print(json.dumps({
            "A": os.environ["A"], "uid": os.getuid(), "cwd": os.getcwd(),
            "given": open("/given/given").read(), "data": os.access("/data", os.W_OK), "root": os.access("/", os.W_OK),
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "host": socket.gethostbyname("elsewhere"),
            "shm": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
            "t": os.statvfs("/t").f_blocks * os.statvfs("/t").f_frsize, "dollar": "$$",
        }), flush=True)
        import time; time.sleep(600)
    """)
    definition = {
        "command": ["python3", "-c", tell],
        "environment": {"A": "a$$b"},
        "user": "1234",
        "working_dir": "/tmp",
        "read_only": True,
        "init": True,
        "shm_size": "8388608",
        "ulimits": {"nofile": {"soft": 200, "hard": 400}},
        "extra_hosts": ["elsewhere=10.1.2.3"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": "268435456",
        "pids_limit": 50,
        "stop_signal": "SIGINT",
        "stop_grace_period": "3s",
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "timeout": "5s", "retries": 3},
        "labels": {"mine": "yes"},
        "volumes": [
            {"type": "volume", "source": "data", "target": "/data", "volume": {}},
            {"type": "bind", "source": str(tmp_path), "target": "/given", "read_only": True, "bind": {}},
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "4194304"}},
        ],
    }
    (web,) = run(1, {"web": definition})
    told = json.loads(next(target.logs(web.id, tail=10, follow=True)))
    assert (told["A"], told["dollar"], told["uid"], told["cwd"]) == ("a$b", "$", 1234, "/tmp")
    assert (told["given"], told["root"], told["nofile"], told["host"]) == (
        "from the host",
        False,
        [200, 400],
        "10.1.2.3",
    )
    assert (told["shm"], told["t"]) == (8388608, 4194304)
    seen = client.inspect_container(web.id)
    assert seen["Config"]["Labels"]["mine"] == "yes"
    assert (seen["Config"]["StopSignal"], seen["Config"]["StopTimeout"]) == ("SIGINT", 3)
    assert (seen["HostConfig"]["Memory"], seen["HostConfig"]["PidsLimit"]) == (268435456, 50)
    assert seen["HostConfig"]["LogConfig"]["Config"]["max-size"] == "10m"
    assert target.volumes(env) == (f"{env.slug}_data",)
    assert target.container_health(web) in ("starting", "healthy")


def test_a_replica_is_stopped_by_its_own_signal_within_its_own_grace(
    target: DockerTarget, client: Any, run: Callable[..., list[Replica]], tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    command = ["sh", "-c", "trap 'echo bye >/out/said; exit 0' INT; echo up; while :; do sleep 0.05; done"]
    out = [{"type": "bind", "source": str(tmp_path), "target": "/out", "bind": {}}]
    (web,) = run(1, {"web": {"command": command, "stop_signal": "SIGINT", "volumes": out}})
    assert next(target.logs(web.id, tail=1, follow=True)) == "up"
    target.remove_replica(web)
    assert (tmp_path / "said").read_text() == "bye\n"


def test_what_an_accessory_keeps_without_a_name_survives_its_replacement(
    target: DockerTarget, client: Any, env: EnvironmentName, image: str
) -> None:
    keep = {"command": SLEEP, "volumes": [{"type": "volume", "target": "/kept", "volume": {}}]}
    target.start_accessory(env, Service("db", Role.ACCESSORY, image, definition=keep))
    (first,) = target.observe(env).accessories
    assert ask(client, first.id, "sh", "-c", "echo precious >/kept/it")[0] == 0
    changed = {**keep, "environment": {"A": "1"}, "stop_grace_period": "1s"}
    target.start_accessory(env, Service("db", Role.ACCESSORY, image, definition=changed))
    (second,) = target.observe(env).accessories
    assert second.id != first.id
    assert ask(client, second.id, "cat", "/kept/it") == (0, "precious")


def test_an_accessory_is_healthy_when_its_own_check_says_so(
    target: DockerTarget, client: Any, env: EnvironmentName, image: str
) -> None:
    check = {"test": ["CMD", "test", "-e", "/tmp/up"], "interval": "100ms", "timeout": "5s", "retries": 1000}
    target.start_accessory(
        env, Service("db", Role.ACCESSORY, image, definition={"command": SLEEP, "healthcheck": check})
    )
    (accessory,) = target.observe(env).accessories
    assert accessory.phase is Phase.RUNNING and not accessory.healthy
    ask(client, accessory.id, "touch", "/tmp/up")
    for _ in range(600):
        if target.observe(env).accessories[0].healthy:
            return
        threading.Event().wait(0.05)
    raise AssertionError("never healthy")


def test_a_command_that_is_not_there_is_refused_and_may_be_mended(
    target: DockerTarget, env: EnvironmentName, run: Callable[..., list[Replica]]
) -> None:
    with pytest.raises(EngineRefused, match="no-such-program"):
        run(1, {"web": {"command": ["no-such-program"]}})
    assert target.observe(env).replicas[0].phase is Phase.CREATED
    (web,) = run(1, {"web": {}})
    assert web.running


# --- events and output --------------------------------------------------------------------------------


def test_whatever_makes_an_address_fall_silent_is_told(
    target: DockerTarget, client: Any, env: EnvironmentName, run: Callable[..., list[Replica]]
) -> None:
    (web,) = run(1, {"web": {}})
    with target.events() as events:

        def kinds(until: str) -> list[str]:
            got: list[str] = []
            for event in itertools.islice(events, 200):
                if isinstance(event, ReplicaEvent) and event.environment == env:
                    assert (event.container, event.release, event.service, event.index) == (web.id, 1, "web", 1)
                    got.append(event.kind)
                    if event.kind == until:
                        return got
            raise AssertionError(f"no {until}, only {got}")

        client.pause(web.id)
        assert kinds("ended") == ["ended"]
        client.unpause(web.id)
        assert kinds("started") == ["started"]
        client.disconnect_container_from_network(web.id, env.slug)
        assert kinds("ended") == ["ended"]
        assert target.observe(env).replicas[0].address == ""
        client.restart(web.id, timeout=1)
        assert kinds("started")[-1] == "started"


def test_events_can_be_left_while_nothing_happens_and_many_times(target: DockerTarget) -> None:
    before = threading.active_count()
    for _ in range(5):
        with target.events() as events:
            next(events)
    assert threading.active_count() == before


def test_events_that_break_off_are_an_unavailable_engine(target: DockerTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnavailable, match="broke off"), target.events() as events:
        follower = events.gi_frame.f_locals["read"]  # type: ignore[attr-defined]
        follower.put(None)
        for _ in range(10):
            next(events)


def test_output_comes_in_lines_and_goes_on_until_the_end(
    target: DockerTarget, client: Any, run: Callable[..., list[Replica]]
) -> None:
    script = "printf 'one\\n\\377two\\n'; echo err >&2; while [ ! -e /tmp/go ]; do sleep 0.02; done; printf three"
    (web,) = run(1, {"web": {"command": ["sh", "-c", script]}})
    following = target.logs(web.id, tail=100, follow=True)
    first = {next(following) for _ in range(3)}
    assert first == {"one", "\N{REPLACEMENT CHARACTER}two", "err"}
    ask(client, web.id, "touch", "/tmp/go")
    assert list(following) == ["three"]
    assert list(target.logs(web.id, tail=1, follow=False)) == ["three"]
    target.remove_replica(web)
    with pytest.raises(EngineRefused):
        list(target.logs(web.id, tail=1, follow=False))


def test_why_a_container_ended_is_seen(
    target: DockerTarget, env: EnvironmentName, run: Callable[..., list[Replica]]
) -> None:
    hog = ["python3", "-c", "x = bytearray(300 * 2**20); import time; time.sleep(60)"]
    limits = {"mem_limit": "33554432", "memswap_limit": "33554432"}
    web, worker = run(1, {"web": {"command": hog, **limits}, "worker": {"command": ["sh", "-c", "exit 3"]}})
    ends = {}
    for replica in (web, worker):
        for _ in range(600):
            seen = target.inspect(env, replica)
            assert seen is not None
            if seen.phase is Phase.EXITED:
                ends[seen.service] = (seen.exit_code, seen.oom_killed)
                break
            threading.Event().wait(0.05)
    assert ends == {"web": (137, True), "worker": (3, False)}


# --- images -------------------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path / "registry", login=True)
    yield registry
    registry.close()


def test_an_image_is_pulled_by_its_digest_with_the_credentials_given(
    target: DockerTarget, client: Any, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # nobody is logged in
    auth = RegistryAuth(registry.host, USERNAME, PASSWORD)
    name = f"{registry.host}/shop/web"
    # A small image of its own: pulling the big one would only prove that bytes can be copied.
    import io
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    client.import_image_from_data(archive.getvalue(), repository=name, tag="1")
    try:
        pushed = list(
            client.push(name, "1", stream=True, decode=True, auth_config={"username": USERNAME, "password": PASSWORD})
        )
        digest = next(line["aux"]["Digest"] for line in pushed if "aux" in line)
    finally:
        client.remove_image(f"{name}:1", force=True)
    pinned = f"{name}@{digest}"
    with pytest.raises(RegistryRefused):
        target.ensure_image(pinned)
    with pytest.raises(RegistryRefused):
        target.ensure_image(pinned, RegistryAuth(registry.host, USERNAME, "wrong"))
    with pytest.raises(RegistryRefused):
        target.ensure_image(pinned, RegistryAuth("elsewhere.example.com", USERNAME, PASSWORD))
    target.ensure_image(pinned, auth)
    try:
        assert client.inspect_image(pinned)
        target.ensure_image(pinned)
    finally:
        client.remove_image(pinned, force=True)
    with pytest.raises(ImageMissing):
        target.ensure_image(f"{name}@sha256:{'0' * 64}", auth)


def test_a_registry_that_does_not_answer_is_unavailable(target: DockerTarget) -> None:
    with pytest.raises(RegistryUnavailable):
        target.ensure_image(f"127.0.0.1:{free_port()}/shop/web@sha256:{'0' * 64}")


# --- the engine ---------------------------------------------------------------------------------------


def test_the_engine_is_the_same_for_everyone(target: DockerTarget, client: Any) -> None:
    assert target.identity() == DockerTarget().identity() == client.info()["ID"]
    assert target.describe()["product"] == "Docker Engine"


def test_a_pool_that_is_in_use_has_no_subnet_left(target: DockerTarget, env: EnvironmentName) -> None:
    from tidegate.errors import NoSubnet

    taken = target.observe(env).network
    assert taken is not None
    other = EnvironmentName(env.app, f"{env.environment}-other")
    with pytest.raises(NoSubnet):
        DockerTarget(pool=taken).ensure_network(other)
    assert other not in target.environments()
