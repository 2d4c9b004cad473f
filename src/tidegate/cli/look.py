"""Commands that only look: status, releases, history, logs, follow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.options import Environment, Json, Repo, environment_path
from tidegate.cli.text import ago, clean, columns, seconds

if TYPE_CHECKING:
    from tidegate.client.agent import Agent

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Examples: tidegate status  |  tidegate status staging --json")(status)
    app.command(epilog="Example: tidegate releases staging")(releases)
    app.command(epilog="Example: tidegate history production --limit 10")(history)
    app.command(epilog="Example: tidegate logs staging -f --service web")(logs)
    app.command(epilog="Example: tidegate follow staging")(follow)


def status(
    environment: Annotated[str, typer.Argument(metavar="[ENV]", help="All environments of the app, if left out.")] = "",
    repo: Repo = HERE,
    everything: Annotated[bool, typer.Option("--all", help="All apps of this host; needs no repository.")] = False,
    as_json: Json = False,
) -> None:
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
        sys.stdout.write(json.dumps(found[0] if environment else found) + "\n")
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


def releases(environment: Environment, repo: Repo = HERE, as_json: Json = False) -> None:
    """List an environment's releases, the newest first."""
    found = _agent().get(environment_path(repo, environment) + "/releases")
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    rows = [("release", "state", "commit", "made", "by")]
    for one in found:
        commit = one["commit"][:12] + (" (dirty)" if one["dirty"] else "")
        rows.append((f"r{one['number']}", one["state"], commit, ago(one["created_at"]), clean(one["created_by"])))
    sys.stdout.write("\n".join(columns(rows)) + "\n")


def history(
    environment: Environment,
    repo: Repo = HERE,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    as_json: Json = False,
) -> None:
    """Show the audit log: who, what, when, why, outcome."""
    found = _agent().get(f"{environment_path(repo, environment)}/history?limit={limit}")
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
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


def logs(
    environment: Environment,
    repo: Repo = HERE,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=0, max=100_000, help="Lines from the past.")] = 100,
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="Of one service only.")] = "",
    as_json: Json = False,
) -> None:
    """Show the output of what serves."""
    from urllib.parse import urlencode

    query = {"tail": tail, "follow": str(follow).lower()} | ({"service": service} if service else {})
    for entry in _agent().stream("GET", f"{environment_path(repo, environment)}/logs?{urlencode(query)}"):
        if as_json:
            sys.stdout.write(json.dumps(entry) + "\n")
        elif entry:
            sys.stdout.write(f"{entry['replica']} | {clean(entry['line'])}\n")
        sys.stdout.flush()


def follow(environment: Environment, repo: Repo = HERE, wait: bool = False, as_json: Json = False) -> None:
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
