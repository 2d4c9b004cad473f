"""Commands that only look: status, releases, history, logs, follow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tidegate.cli.options import ENVIRONMENT, JSON, REPO, WAIT, environment_path, number
from tidegate.cli.parser import Parser, flag, option
from tidegate.cli.text import ago, clean, columns, seconds, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.client.agent import Agent


def register(program: Parser) -> None:
    """Add the commands."""
    program.add_command(
        status,
        option("environment", metavar="ENV", nargs="?", default="", help="All environments of the app, if left out."),
        REPO,
        flag("--all", dest="everything", help="All apps of this host; needs no repository."),
        JSON,
        epilog="Examples:\n  tidegate status\n  tidegate status staging --json",
    )
    program.add_command(releases, ENVIRONMENT, REPO, JSON, epilog="Example: tidegate releases staging")
    program.add_command(
        history,
        ENVIRONMENT,
        REPO,
        option("--limit", metavar="N", type=number(1, 1000), default=20, help="So many, up to 1000. [default: 20]"),
        JSON,
        epilog="Example: tidegate history production --limit 10",
    )
    program.add_command(
        logs,
        ENVIRONMENT,
        REPO,
        flag("-f", "--follow", help="Go on with new lines."),
        option("--tail", metavar="N", type=number(0, 100_000), default=100, help="Lines from the past. [default: 100]"),
        option("--service", metavar="NAME", default="", help="Of one service only."),
        JSON,
        epilog="Example: tidegate logs staging -f --service web",
    )
    program.add_command(follow, ENVIRONMENT, REPO, WAIT, JSON, epilog="Example: tidegate follow staging")


def status(*, environment: str, repo: Path, everything: bool, as_json: bool) -> None:
    """Show what runs, what serves and what is under way."""
    agent = _agent()
    if everything:
        found = agent.get("/v1/environments")
    elif environment:
        found = [agent.get(environment_path(repo, environment))]
    else:
        from tidegate.cli.workspace import app_name

        app = app_name(repo)
        found = [one for one in agent.get("/v1/environments") if one["app"] == app]
    if as_json:
        write_json(found[0] if environment else found)
        return
    if not found:
        sys.stdout.write("Nothing is deployed. tidegate deploy begins.\n")
    for one in found:
        _show(one)


def _show(one: dict[str, Any]) -> None:
    name = f"{one['app']}/{one['environment']}"
    serving = ", ".join(f"r{n}" for n in one["serving"]) or "nothing"
    release = one["release"]
    commit = f" (commit {one['commit'][:12]}{', dirty' if release['dirty'] else ''})" if release else ""
    lines = [f"{name}: {serving} serves{commit if one['serving'] == [one['wanted']] else ''}"]
    if one["rollout"] is not None:
        lines.append(f"  a rollout is under way: tidegate follow {one['environment']}")
    elif not one["satisfied"]:
        lines.append("  not as wanted; the agent is at it")
    if one["trouble"]:
        lines.append(f"  trouble: {clean(one['trouble']['message'])} [{one['trouble']['code']}]")
    lines += [f"  {route['url']} -> {route['service']}:{route['port']}" for route in one["routes"]]
    rows = []
    for replica in one["replicas"]:
        role = "serving" if replica["serving"] else "warm" if replica["warm_until"] else "not serving"
        phase = replica["phase"] + ("" if replica["exit_code"] is None else f" ({replica['exit_code']})")
        rows.append(("  ", replica["name"], phase, role, replica["address"]))
    for accessory in one["accessories"]:
        health = "healthy" if accessory["healthy"] else "not healthy"
        rows.append(("  ", accessory["service"], accessory["phase"], health, "accessory"))
    sys.stdout.write("\n".join(lines + columns(rows)) + "\n")


def releases(*, environment: str, repo: Path, as_json: bool) -> None:
    """List an environment's releases, the newest first."""
    found = _agent().get(environment_path(repo, environment) + "/releases")
    if as_json:
        write_json(found)
        return
    rows = [("release", "state", "commit", "made", "by")]
    for one in found:
        commit = one["commit"][:12] + (" (dirty)" if one["dirty"] else "")
        rows.append((f"r{one['number']}", one["state"], commit, ago(one["created_at"]), clean(one["created_by"])))
    sys.stdout.write("\n".join(columns(rows)) + "\n")


def history(*, environment: str, repo: Path, limit: int, as_json: bool) -> None:
    """Show the audit log: who, what, when, why, outcome."""
    found = _agent().get(f"{environment_path(repo, environment)}/history?limit={limit}")
    if as_json:
        write_json(found)
        return
    rows = [("when", "who", "what", "release", "outcome", "took", "why")]
    for one in found:
        outcome = (one["outcome"] or "under way") + (f" ({one['error']})" if one["error"] else "")
        release = "" if one["release"] is None else f"r{one['release']}"
        rows.append(
            (
                ago(one["at"]),
                clean(one["by"]),
                one["what"],
                release,
                outcome,
                seconds(one["seconds"]),
                clean(one["why"]),
            )
        )
    sys.stdout.write("\n".join(columns(rows)) + "\n")


def logs(*, environment: str, repo: Path, follow: bool, tail: int, service: str, as_json: bool) -> None:
    """Show the output of what serves."""
    from urllib.parse import urlencode

    query = {"tail": tail, "follow": str(follow).lower()} | ({"service": service} if service else {})
    for entry in _agent().stream("GET", f"{environment_path(repo, environment)}/logs?{urlencode(query)}"):
        if as_json:
            write_json(entry)
        elif entry:
            sys.stdout.write(f"{entry['replica']} | {clean(entry['line'])}\n")
        sys.stdout.flush()


def follow(*, environment: str, repo: Path, wait: bool, as_json: bool) -> None:
    """Follow the rollout that is under way."""
    from tidegate.cli import follow as following
    from tidegate.cli.progress import progress_for

    agent, path = _agent(), environment_path(repo, environment)
    found = agent.get(path)
    if found["rollout"] is None:
        sys.stdout.write(f"No rollout of {environment} is under way.\n")
        return
    progress = progress_for(as_json=as_json)
    events = agent.stream("GET", f"{path}/rollouts/{found['rollout']}/events")
    last = following.follow(events, progress, wait=wait, environment=environment)
    progress.say(f"{environment} is gone." if last["release"] is None else f"r{last['release']} serves {environment}.")


def _agent() -> Agent:
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent

    return running_agent(home())
