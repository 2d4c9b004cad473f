"""Killing what keeps the service going: it comes back by itself, and what was begun goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import Repository, eventually

Make = Callable[..., Repository]


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("victims", ["worker", "master", "agent", "agent+master", "agent+worker", "all"])
def test_service_returns_with_no_command_typed(repository: Make, victims: str) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    described = shop.host.agent()
    master = int(described["router"]["pid"])
    pids = {"agent": [described["pid"]], "master": [master], "worker": children(master)}
    pids["all"] = [*pids["worker"], master, described["pid"]]
    for victim in victims.split("+"):
        for pid in pids[victim]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                assert victims != "worker"
    eventually(lambda: shop.get(timeout=1) == (200, "v1"))
    eventually(lambda: shop.host.run("agent", "status", code=None).code == 0)
    shop.version("v2")
    shop.run("deploy", "staging")
    assert {shop.get()[1] for _ in range(20)} == {"v2"}


def test_a_rollout_goes_on_when_its_agent_was_killed(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2", mode="slow-start")
    deploying = shop.start("deploy", "staging", "--json")
    assert deploying.stdout is not None
    for line in deploying.stdout:
        if '"probe"' in line:
            break
    os.kill(shop.host.agent()["pid"], signal.SIGKILL)
    out, _ = deploying.communicate(timeout=30)
    assert deploying.returncode == 1, out
    assert "agent-unavailable" in out
    eventually(lambda: shop.get(timeout=1) == (200, "v2"))
    eventually(lambda: json.loads(shop.run("history", "staging", "--json").out)[0]["outcome"] == "completed")
    assert shop.run("status", "staging").out.startswith(f"{shop.app}/staging: r2 serves")


def test_a_rollout_goes_on_when_its_command_was_killed(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2", mode="slow-start")
    deploying = shop.start("deploy", "staging", "--json")
    assert deploying.stdout is not None
    for line in deploying.stdout:
        if '"probe"' in line:
            break
    deploying.kill()
    deploying.communicate()
    eventually(lambda: shop.get(timeout=1) == (200, "v2"))


def test_ctrl_c_leaves_the_agent_at_work_and_says_how_to_go_on(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2", mode="slow-start")
    deploying = shop.start("deploy", "staging")
    assert deploying.stdout is not None
    for line in deploying.stdout:
        if "probe" in line:
            break
    deploying.send_signal(signal.SIGINT)
    out, _ = deploying.communicate(timeout=30)
    assert deploying.returncode == 130
    assert "tidegate follow staging" in out
    assert "tidegate abort staging" in out
    assert "r2 serves staging" in shop.run("follow", "staging").out
    assert shop.get() == (200, "v2")


def test_a_container_that_dies_leaves_the_router_and_comes_back(repository: Make) -> None:
    shop = repository(replicas=2)
    shop.run("deploy", "staging")
    shop.get("/die")
    assert {shop.get()[0] for _ in range(20)} == {200}
    eventually(lambda: sum(r["serving"] for r in shop.status()["replicas"]) == 2)
    eventually(lambda: shop.status()["satisfied"])


def test_a_container_removed_by_hand_is_made_again(repository: Make) -> None:
    shop = repository(replicas=2)
    shop.run("deploy", "staging")
    subprocess.run(["docker", "rm", "-f", shop.containers()[0]], check=True, capture_output=True)
    eventually(lambda: len(shop.containers()) == 2 and shop.status()["satisfied"])
    assert {shop.get() for _ in range(10)} == {(200, "v1")}


def test_losing_the_database_loses_history_not_control(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2")
    shop.run("deploy", "staging")
    shop.host.run("agent", "stop")
    assert shop.get() == (200, "v2"), "the router goes on without an agent"
    for file in shop.host.home.glob("state.db*"):
        file.unlink()
    shop.run("rollback", "staging")
    assert shop.get() == (200, "v1")
