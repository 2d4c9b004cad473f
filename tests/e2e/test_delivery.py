"""A user's way from a commit to production and back, with the real parts."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable

from tests.e2e.conftest import BASE, Repository, eventually
from tests.e2e.load import Load

Make = Callable[..., Repository]


def test_deploy_again_rollback_promote_and_destroy(repository: Make) -> None:
    shop = repository(replicas=2)
    first = shop.run("deploy", "staging")
    assert "r1 serves staging" in first.out
    assert shop.get() == (200, "v1")
    assert shop.containers() == [f"{shop.app}-staging-r1-web-1", f"{shop.app}-staging-r1-web-2"]

    again = shop.run("deploy", "staging")
    assert "Nothing to do" in again.out

    shop.version("v2")
    shop.run("deploy", "staging")
    assert shop.get() == (200, "v2")

    shop.run("promote", "production", "--why", "looks good")
    assert shop.get(environment="production") == (200, "v2")
    images = {
        environment: json.loads(shop.run("status", environment, "--json").out)["release"]["images"]
        for environment in ("staging", "production")
    }
    assert images["staging"] == images["production"]

    rolled = shop.run("rollback", "staging", "--json")
    assert shop.get() == (200, "v1")
    steps = {event["what"] for event in rolled.events if event["kind"] == "step"}
    assert not any(what.startswith("start") for what in steps), "a warm release was started again"

    listed = json.loads(shop.run("releases", "staging", "--json").out)
    assert [(r["number"], r["state"]) for r in listed] == [(2, "warm"), (1, "serving")]
    history = json.loads(shop.run("history", "staging", "--json").out)
    assert [(h["what"], h["outcome"], h["release"]) for h in history] == [
        ("rollback", "completed", 1),
        ("deploy", "completed", 2),
        ("deploy", "completed", 1),
    ]
    promoted = json.loads(shop.run("history", "production", "--json").out)[0]
    assert (promoted["what"], promoted["why"]) == ("promote", "looks good")

    shop.run("destroy", "production")
    shop.run("destroy", "staging")
    assert shop.containers() == []
    networks = subprocess.run(
        ["docker", "network", "ls", "--filter", f"label=tidegate.app={shop.app}", "-q"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert networks.stdout == ""
    assert shop.get()[0] in (404, 503)
    assert shop.run("status", "staging", code=1).err.startswith("error:")


def test_a_release_that_exits_at_once_fails_with_its_last_words_and_the_old_one_serves(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2", mode="crash")
    failed = shop.run("deploy", "staging", code=1)
    assert "replica-exited" in failed.err
    assert "exit code 3" in failed.err
    assert "about to fail: no DATABASE_URL" in failed.err
    assert "\x1b" not in failed.err
    assert "r1 still serves staging" in failed.err
    assert shop.get() == (200, "v1")
    until = time.monotonic() + 20
    while len(shop.containers()) > 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert shop.containers() == [f"{shop.app}-staging-r1-web-1"]
    assert json.loads(shop.run("history", "staging", "--json").out)[0]["outcome"] == "failed"
    shop.version("v3")
    shop.run("deploy", "staging")
    assert shop.get() == (200, "v3")


def test_what_never_answers_200_is_stopped_at_the_health_gate(repository: Make) -> None:
    shop = repository(start_within="1s")
    shop.run("deploy", "staging")
    for mode, told in (("unhealthy", "500"), ("redirect", "302")):
        shop.version(f"v-{mode}", mode=mode)
        failed = shop.run("deploy", "staging", code=1)
        assert "not-ready" in failed.err
        assert told in failed.err
        assert shop.get() == (200, "v1")


def test_nothing_is_lost_or_answered_by_the_wrong_release(repository: Make) -> None:
    shop = repository(replicas=2)
    shop.run("deploy", "staging")
    shop.version("v2")
    slow: list[tuple[int, str]] = []
    with Load(shop.host.port, f"staging.{shop.app}.test") as load:
        long = threading.Thread(target=lambda: slow.append(shop.get("/slow?s=4", timeout=15)))
        long.start()
        time.sleep(0.3)
        shop.run("deploy", "staging")
        confirmed = time.monotonic()
        time.sleep(0.3)
        assert load.bodies_since(confirmed) == {"v2"}
        shop.run("rollback", "staging")
        confirmed = time.monotonic()
        time.sleep(0.3)
        assert load.bodies_since(confirmed) == {"v1"}
        long.join()
    assert slow == [(200, "v1")]
    assert len(load.answers) > 100
    assert load.failed == []


def test_plan_tells_what_would_be_done_and_does_nothing(repository: Make) -> None:
    shop = repository()
    planned = shop.run("plan", "staging", "--detailed-exitcode", code=2)
    assert "start r1 web-1" in planned.out
    assert "because" in planned.out
    assert shop.containers() == []
    shop.run("deploy", "staging")
    assert "Nothing to do" in shop.run("plan", "staging", "--detailed-exitcode").out
    shop.version("v2")
    seen = json.loads(shop.run("plan", "staging", "--json").out)
    shop.run("deploy", "staging", "--if-plan", seen["fingerprint"])
    shop.version("v3")
    stale = shop.run("deploy", "staging", "--if-plan", seen["fingerprint"], code=1)
    assert "stale-plan" in stale.err
    assert shop.get() == (200, "v2")


def test_a_dirty_work_tree_is_refused_unless_allowed_and_never_promoted(repository: Make) -> None:
    shop = repository()
    (shop.path / "version.txt").write_text("dirty")
    refused = shop.run("deploy", "staging", code=1)
    assert "dirty-work-tree" in refused.err
    shop.run("deploy", "staging", "--allow-dirty")
    assert shop.get() == (200, "dirty")
    assert shop.status()["release"]["dirty"] is True
    assert "not-promotable" in shop.run("promote", "production", code=1).err


def test_two_services_find_each_other_in_their_release_only(repository: Make) -> None:
    more = f"  api:\n    build:\n      context: .\n      args: {{BASE: {BASE}}}\n"
    shop = repository(more=more)
    shop.run("deploy", "staging")
    one = shop.get("/resolve/api")[1]
    shop.version("v2")
    shop.run("deploy", "staging")
    other = shop.get("/resolve/api")[1]
    assert len(one.split()) == len(other.split()) == 1
    assert one != other


def test_a_route_that_another_environment_serves_is_refused(repository: Make) -> None:
    shop, thief = repository(), repository()
    shop.run("deploy", "staging")
    settings = (thief.path / "tidegate.yaml").read_text().replace(f"staging.{thief.app}", f"staging.{shop.app}")
    thief.commit("take it", **{"tidegate.yaml": settings})
    refused = thief.run("deploy", "staging", code=1)
    assert "route-taken" in refused.err
    assert f"{shop.app}/staging" in refused.err
    assert thief.containers() == []
    assert shop.get() == (200, "v1")


def test_logs_show_what_the_serving_release_says(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.get("/somewhere")
    assert "/somewhere" in shop.run("logs", "staging").out


def test_abort_leaves_the_old_release_serving(repository: Make) -> None:
    shop = repository(start_within="60s")
    shop.run("deploy", "staging")
    shop.version("v2", mode="unhealthy")
    deploying = shop.start("deploy", "staging", "--json")
    assert deploying.stdout is not None
    for line in deploying.stdout:
        if '"probe"' in line:
            break
    shop.run("abort", "staging")
    out, _ = deploying.communicate(timeout=30)
    assert deploying.returncode == 1
    assert '"aborted"' in out
    assert shop.get() == (200, "v1")
    assert json.loads(shop.run("history", "staging", "--json").out)[0]["outcome"] == "aborted"


def test_logs_go_on_with_the_next_release(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    following = shop.start("logs", "staging", "-f", "--tail", "0")
    try:
        shop.version("v2")
        shop.run("deploy", "staging")
        deadline = threading.Timer(30, following.kill)
        deadline.start()
        assert following.stdout is not None
        for line in following.stdout:
            if "r2-web-1 | " in line:
                break
            shop.get("/somewhere")
        else:
            raise AssertionError("the next release was not followed")
        deadline.cancel()
    finally:
        following.kill()
        following.communicate()


def test_after_a_reboot_only_the_serving_release_comes_back(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.version("v2")
    shop.run("deploy", "staging")

    def policies() -> dict[str, str]:
        asked = ["docker", "inspect", "--format", "{{.Name}} {{.HostConfig.RestartPolicy.Name}}", *shop.containers()]
        listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        return dict(line.removeprefix("/").split() for line in listed.splitlines())

    wanted = {f"{shop.app}-staging-r1-web-1": "no", f"{shop.app}-staging-r2-web-1": "unless-stopped"}
    eventually(lambda: policies() == wanted)
    shop.run("rollback", "staging")
    eventually(
        lambda: policies() == {name: wanted[other] for name, other in zip(wanted, reversed(wanted), strict=True)}
    )


def test_what_changes_nothing_in_an_image_changes_nothing_in_production(repository: Make) -> None:
    shop = repository()
    shop.run("deploy", "staging")
    shop.run("promote", "production")
    shop.commit("words only", **{"README.md": "hello"})
    assert "Nothing to do" in shop.run("deploy", "staging").out
    settings = (
        (shop.path / "tidegate.yaml").read_text().replace("  production:\n", "  production:\n    replicas: {web: 2}\n")
    )
    newest = shop.commit("two replicas in production", **{"tidegate.yaml": settings})
    shop.run("deploy", "staging")
    assert shop.status()["commit"] == newest
    shop.run("promote", "production")
    replicas = [r for r in shop.status("production")["replicas"] if r["serving"]]
    assert len(replicas) == 2


def test_wait_returns_after_the_warm_period(repository: Make) -> None:
    shop = repository(keep_warm="1s")
    shop.run("deploy", "staging")
    shop.version("v2")
    shop.run("deploy", "staging", "--wait")
    assert shop.containers() == [f"{shop.app}-staging-r2-web-1"]
