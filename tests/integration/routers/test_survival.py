"""What is killed comes back, what is broken stays apart, what runs is adopted."""

from __future__ import annotations

import os
import queue
import signal
import socket
from pathlib import Path

import pytest
from tests.integration.routers.world import BLOG, SHOP, Apps, Connection, ask, free_port, route, table, until

from tidegate.adapters.routers.haproxy import HAProxyRouter
from tidegate.domain.traffic import OpenWork
from tidegate.errors import PortTaken, RouterFailed, ToolMissing


def processes(directory: Path) -> set[int]:
    """Of the HAProxy in this directory."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and b"master.sock" in (entry / "cmdline").read_bytes()
            if ours and (entry / "cwd").samefile(directory):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("victim", ["master", "worker", "all"])
def test_what_is_killed_comes_back_with_its_table(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path, victim: str
) -> None:
    one, two, gone = apps.start(1), apps.start(2), apps.start(3)
    wanted = table(one.server(False), two.server(), gone.server())
    router.apply(SHOP, wanted)
    router.take_out(SHOP, gone.server())
    restarts: queue.Queue[int] = queue.Queue()
    router.on_restart(lambda: restarts.put(1))
    for _ in range(2):
        master = router.describe()["pid"]
        assert isinstance(master, int)
        before = processes(tmp_path)
        victims = {"master": {master}, "worker": before - {master}, "all": before}[victim]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        restarts.get(timeout=20)
        assert ask(port) == "r2"
        assert not processes(tmp_path) & before
        assert router.observe(SHOP) == table(one.server(False), two.server(), gone.server(False))
    router.apply(SHOP, table(one.server()))
    assert ask(port) == "r1"


def test_a_change_waits_for_a_router_that_is_being_restarted(router: HAProxyRouter, apps: Apps, port: int) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server()))
    for wanted in (two, one, two):
        os.kill(int(str(router.describe()["pid"])), signal.SIGKILL)
        router.apply(SHOP, table(wanted.server()))
        assert ask(port) == f"r{wanted.release}"


def test_a_worker_of_before_a_reload_does_not_outlive_the_router(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path
) -> None:
    one = apps.start(1)
    router.apply(SHOP, table(one.server()))
    websocket = Connection(port)
    websocket.upgrade()
    router.apply(BLOG, table(one.server(), to=route("blog.example.com")))
    assert len(processes(tmp_path)) == 3
    before = processes(tmp_path)
    restarts: queue.Queue[int] = queue.Queue()
    router.on_restart(lambda: restarts.put(1))
    os.kill(int(str(router.describe()["pid"])), signal.SIGKILL)
    restarts.get(timeout=20)
    assert not processes(tmp_path) & before
    router.stop()
    assert not processes(tmp_path)


def test_one_that_runs_is_adopted_and_nothing_is_lost(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path
) -> None:
    one, two = apps.start(1), apps.start(2)
    router.apply(SHOP, table(one.server(), two.server(False)))
    websocket = Connection(port)
    websocket.upgrade()
    router.release_control()
    (tmp_path / "haproxy.pid").unlink()  # found without it, too
    successor = HAProxyRouter(tmp_path, port)
    successor.start()
    assert successor.describe()["pid"] in processes(tmp_path)
    assert websocket.echo("x") == "x"
    assert successor.observe(SHOP) == table(one.server(), two.server(False))
    assert successor.open_work(SHOP) == {1: OpenWork(websockets=1)}
    successor.apply(SHOP, table(one.server(False), two.server()))
    assert ask(port) == "r2"
    successor.stop()
    assert not processes(tmp_path)


def test_a_router_that_died_alone_is_started_from_its_files(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path
) -> None:
    one = apps.start(1)
    router.apply(SHOP, table(one.server()))
    router.stop()
    again = HAProxyRouter(tmp_path, port)
    try:
        again.start()
        assert ask(port) == "r1"
        assert again.observe(SHOP) == table(one.server())
    finally:
        again.stop()


def test_broken_files_do_not_take_other_routes_down(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path
) -> None:
    one = apps.start(1)
    router.apply(SHOP, table(one.server()))
    router.apply(BLOG, table(one.server(), to=route("blog.example.com")))
    router.stop()
    (blog,) = (tmp_path / "routes").glob("blog.*.cfg")
    (shop,) = (tmp_path / "routes").glob("shop.*.cfg")
    blog.write_text("backend\n  nonsense\n")
    shop.write_text(shop.read_text() + "nonsense\n")
    (tmp_path / "routes" / "stray.cfg").write_bytes(b"\xff\x00")
    again = HAProxyRouter(tmp_path, port)
    try:
        again.start()
        assert ask(port) == "r1"  # its first line says what it is to be
        assert "404" in ask(port, "blog.example.com")
        broken = {path.name for path in (tmp_path / "routes").glob("*.broken")}
        assert broken == {f"{blog.name}.broken", "stray.cfg.broken"}
        again.apply(BLOG, table(one.server(), to=route("blog.example.com")))
        assert ask(port, "blog.example.com") == "r1"
    finally:
        again.stop()


@pytest.fixture
def strict(tmp_path: Path) -> str:
    """An HAProxy that takes no configuration with a route for the host `refused.example.com`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "haproxy"
    program.write_text(
        "#!/bin/sh\n"
        "grep -lr refused.example.com routes candidates | grep -v broken >/dev/null && "
        "{ case \"$*\" in *-W*|*candidates*) echo '[ALERT] refused indeed' >&2; exit 1;; esac; }\n"
        'case "$*" in *-c*refused*|*-c*blog.*) echo "[ALERT] refused indeed" >&2; exit 1;; esac\n'
        'exec /usr/sbin/haproxy "$@"\n'
    )
    program.chmod(0o700)
    return str(program)


def test_a_route_that_haproxy_refuses_changes_nothing_and_is_set_aside_at_a_start(
    apps: Apps, tmp_path: Path, strict: str
) -> None:
    port, one = free_port(), apps.start(1)
    home = tmp_path / "home"
    router = HAProxyRouter(home, port, strict)
    refused = table(one.server(), to=route("refused.example.com"))
    try:
        router.start()
        router.apply(SHOP, table(one.server()))
        with pytest.raises(RouterFailed, match="blog/production") as caught:
            router.apply(BLOG, refused)
        assert any("refused indeed" in line for line in caught.value.details)
        assert ask(port) == "r1"
        assert not router.observe(BLOG).routes
        router.stop()

        lax = HAProxyRouter(home, port)
        lax.start()
        lax.apply(BLOG, refused)
        lax.stop()
        again = HAProxyRouter(home, port, strict)
        again.start()
        assert ask(port) == "r1"
        assert [path.name.split(".")[0] for path in (home / "routes").glob("*.broken")] == ["blog"]
        again.stop()
    finally:
        HAProxyRouter(home, port).stop()


def test_a_port_that_is_used_is_told_with_who_uses_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # HAProxy could join it unnoticed
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} .*pid {os.getpid()}"):
            HAProxyRouter(tmp_path, port).start()


def test_an_adopted_router_moves_to_another_port_unless_that_is_taken(
    router: HAProxyRouter, apps: Apps, port: int, tmp_path: Path
) -> None:
    one, elsewhere = apps.start(1), free_port()
    router.apply(SHOP, table(one.server()))
    router.release_control()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortTaken):
            HAProxyRouter(tmp_path, other.getsockname()[1]).start()
    assert ask(port) == "r1"
    moved = HAProxyRouter(tmp_path, elsewhere)
    moved.start()
    assert ask(elsewhere) == "r1"
    moved.stop()


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-haproxy"):
        HAProxyRouter(tmp_path, free_port(), "no-such-haproxy").start()


def test_nothing_of_the_agents_environment_reaches_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_REGISTRY_PASSWORD", "hunter2")
    router = HAProxyRouter(tmp_path, free_port())
    try:
        router.start()
        for pid in processes(tmp_path):
            assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        router.stop()
    until(lambda: not processes(tmp_path))
