"""Commands that change something: build, deploy, promote, rollback, abort, destroy; and plan, their preview."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.options import AllowDirty, Environment, Json, Repo, Wait, Why, environment_path
from tidegate.cli.text import clean, columns

if TYPE_CHECKING:
    from tidegate.cli.progress import Progress
    from tidegate.cli.workspace import Workspace
    from tidegate.config.settings import EnvironmentSettings
    from tidegate.domain.release import Artifact, Configuration

from pathlib import Path

HERE = Path()
Revision = Annotated[str, typer.Option("--commit", metavar="REV", help="Another commit than HEAD.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: tidegate build")(build)
    app.command(epilog="Example: tidegate plan staging --detailed-exitcode")(plan)
    app.command(epilog="Examples: tidegate deploy  |  tidegate deploy staging --why 'fixes the cart' --wait")(deploy)
    app.command(epilog="Example: tidegate promote production")(promote)
    app.command(epilog="Examples: tidegate rollback production  |  tidegate rollback production r12")(rollback)
    app.command(epilog="Example: tidegate abort staging")(abort)
    app.command(epilog="Example: tidegate destroy staging --volumes --confirm shop-staging")(destroy)


def build(
    repo: Repo = HERE,
    environment: Annotated[str, typer.Option("--environment", metavar="ENV", help="Whose Compose files.")] = "",
    commit: Revision = "HEAD",
    allow_dirty: AllowDirty = False,
    as_json: Json = False,
) -> None:
    """Make a commit's artifact, unless it has one already."""
    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import open_workspace

    progress = progress_for(as_json=as_json)
    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        settings = space.settings.environment(environment) if environment else _first(space)
        report = space.build(space.define(settings), lambda text: _tell_build(progress, text))
    progress.close()
    if as_json:
        _print_json({"kind": "result", **asdict(report.artifact), "built": list(report.built)})
        return
    for service, image in report.artifact.images.items():
        how = "built" if service in report.built else "was there already"
        progress.say(f"{service}: {image} ({how})")


def plan(
    environment: Environment,
    repo: Repo = HERE,
    commit: Revision = "HEAD",
    allow_dirty: AllowDirty = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="0: nothing to do, 2: changes, 1: error.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show what a deployment would do and why; change nothing."""
    from tidegate.cli.progress import progress_for

    progress = progress_for(as_json=False) if not as_json else None
    made = _planned(environment, repo, commit, allow_dirty, progress)
    if progress:
        progress.close()
    if as_json:
        _print_json(made)
    else:
        _show_plan(made, environment)
    return 2 if detailed_exitcode and made["actions"] else 0


def _planned(environment: str, repo: Path, commit: str, allow_dirty: bool, progress: Progress | None) -> dict[str, Any]:
    from tidegate.cli.workspace import open_workspace
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent

    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        settings = space.settings.environment(environment)
        agent = running_agent(home())
        artifact, configuration = _prepare(space, settings, progress)
        path = _path(space, settings)
    body = {"artifact": asdict(artifact), "configuration": asdict(configuration)}
    made: dict[str, Any] = agent.post(f"{path}/plan", body)
    return made


def _show_plan(made: dict[str, Any], environment: str) -> None:
    serving = ", ".join(f"r{n}" for n in made["serving"]) or "nothing"
    sys.stdout.write(f"desired: r{made['release']} in {environment}; observed: {serving} serves\n")
    if not made["actions"]:
        sys.stdout.write("Nothing to do.\n")
        return
    rows = [(f"{i}.", clean(a["what"]), f"because {clean(a['why'])}") for i, a in enumerate(made["actions"], 1)]
    sys.stdout.write("\n".join(columns(rows)) + f"\nfingerprint of what was observed: {made['fingerprint']}\n")


def deploy(
    environment: Annotated[str, typer.Argument(metavar="[ENV]", help="May be left out when there is one.")] = "",
    repo: Repo = HERE,
    commit: Revision = "HEAD",
    allow_dirty: AllowDirty = False,
    wait: Wait = False,
    why: Why = "",
    if_plan: Annotated[
        str, typer.Option("--if-plan", metavar="FINGERPRINT", help="Only if what that plan saw is still so.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Bring an environment to a commit: build, start beside, probe, shift."""
    began = time.monotonic()
    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import open_workspace, registry_credentials
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent
    from tidegate.errors import PromoteOnly

    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        settings = space.settings.environment(environment) if environment else space.settings.default_environment()
        if settings.promote:
            raise PromoteOnly(
                f"{settings.name} takes what runs in {settings.promote}",
                hint=f"tidegate deploy {settings.promote}, and then: tidegate promote {settings.name}",
            )
        agent, path = running_agent(home()), _path(space, settings)
        progress = progress_for(as_json=as_json)
        if not space.commit.dirty:
            known = agent.get(f"{path}/delivered/{space.commit.id}")
            if known["satisfied"]:
                _unchanged(progress, settings.name, known["release"], space.commit.id, as_json=as_json)
                return
        artifact, configuration = _prepare(space, settings, progress)
        auth = registry_credentials(space.settings)
    body = {
        "what": "deploy",
        "why": why,
        "artifact": asdict(artifact),
        "configuration": asdict(configuration),
        "auth": auth,
        "if_plan": if_plan or None,
    }
    _carry_out(path, settings.name, body, progress, wait=wait, began=began)


def promote(
    environment: Environment,
    repo: Repo = HERE,
    wait: Wait = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Bring an environment to the very digests that run in the one it promotes from."""
    began = time.monotonic()
    from tidegate.cli.progress import progress_for, step
    from tidegate.cli.workspace import open_workspace, registry_credentials
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent
    from tidegate.domain.release import Artifact
    from tidegate.errors import NotPromotable

    with open_workspace(repo, allow_dirty=True) as space:
        app, source = space.settings.app, space.settings.environment(environment).promote
    if not source:
        raise NotPromotable(
            f"{environment} does not say where it promotes from",
            hint=f"Add promote: ENV to {environment} in tidegate.yaml, or deploy to it.",
        )
    agent = running_agent(home())
    found = agent.get(f"/v1/environments/{app}/{source}")
    running = found["release"]
    if running is None or found["serving"] != [running["number"]]:
        raise NotPromotable(f"{source} serves no single release now", hint=f"tidegate status {source}")
    if running["dirty"]:
        raise NotPromotable(
            f"r{running['number']} of {source} holds changes that no commit holds",
            hint=f"Commit them and deploy to {source} again.",
        )
    progress = progress_for(as_json=as_json)
    artifact = Artifact(commit=running["commit"], images=running["images"])
    with open_workspace(repo, running["commit"], allow_dirty=True) as promoted:
        settings = promoted.settings.environment(environment)
        with step(progress, f"read commit {running['commit'][:12]}"):
            configuration = promoted.define(settings).configuration(artifact.images)
        auth = registry_credentials(promoted.settings)
    body = {
        "what": "promote",
        "why": why or f"r{running['number']} of {source}",
        "artifact": asdict(artifact),
        "configuration": asdict(configuration),
        "auth": auth,
    }
    _carry_out(f"/v1/environments/{app}/{environment}", environment, body, progress, wait=wait, began=began)


def rollback(
    environment: Environment,
    release: Annotated[str, typer.Argument(metavar="[RELEASE]", help="r7 or 7; else the one before.")] = "",
    repo: Repo = HERE,
    wait: Wait = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Give the traffic back to an earlier release: at once when it is warm, from its digest when not."""
    began = time.monotonic()
    from tidegate.cli.progress import progress_for
    from tidegate.errors import NoSuchRelease

    number = release.removeprefix("r")
    if release and not number.isdigit():
        raise NoSuchRelease(f"{release!r} is not a release's number")
    body = {"what": "rollback", "why": why, "release": int(number) if number else None}
    path = environment_path(repo, environment)
    _carry_out(path, environment, body, progress_for(as_json=as_json), wait=wait, began=began)


def abort(environment: Environment, repo: Repo = HERE, as_json: Json = False) -> None:
    """Stop the rollout that runs, as long as the old release still serves."""
    from tidegate.client.agent import Agent
    from tidegate.client.home import home

    answer = Agent(home()).post(f"{environment_path(repo, environment)}/abort")
    if as_json:
        _print_json(answer)
    elif answer["aborting"]:
        sys.stdout.write(
            f"The rollout of {environment} is being stopped; tidegate status {environment} shows the end.\n"
        )
    else:
        sys.stdout.write(f"No rollout of {environment} is running; tidegate rollback {environment} goes back.\n")


def destroy(
    environment: Environment,
    repo: Repo = HERE,
    volumes: Annotated[bool, typer.Option("--volumes", help="Its volumes and what is in them, too.")] = False,
    confirm: Annotated[str, typer.Option("--confirm", metavar="NAME", help="APP-ENV, instead of typing it.")] = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Remove what Tidegate made for an environment, and nothing else."""
    began = time.monotonic()
    from tidegate.cli.progress import progress_for
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent
    from tidegate.errors import ConfirmationNeeded

    path = environment_path(repo, environment)
    if volumes:
        wanted = "-".join(path.split("/")[-2:])
        names = running_agent(home()).get(f"{path}/volumes")
        if not confirm and sys.stdin.isatty() and not as_json:
            sys.stdout.write(f"This deletes for ever: {', '.join(names) or 'no volume'}.\n")
            confirm = typer.prompt(f"Type {wanted} to go on", default="", show_default=False)
        if confirm != wanted:
            raise ConfirmationNeeded(
                f"the volumes of {wanted} would be deleted for ever",
                hint=f"Type the name when asked, or pass --confirm {wanted}.",
            )
    body = {"what": "destroy", "why": why, "volumes": volumes}
    _carry_out(path, environment, body, progress_for(as_json=as_json), wait=False, began=began)


# --- what they share ---------------------------------------------------------------------------------


def _prepare(
    space: Workspace, settings: EnvironmentSettings, progress: Progress | None
) -> tuple[Artifact, Configuration]:
    from tidegate.cli.progress import JsonLines, step

    shown = progress or JsonLines()
    if progress is None:
        shown.event = lambda event: None  # type: ignore[method-assign]
    with step(shown, "read the commit"):
        definition = space.define(settings)
    with step(shown, "build"):
        report = space.build(definition, lambda text: _tell_build(shown, text))
    return report.artifact, definition.configuration(report.artifact.images)


def _carry_out(
    path: str, environment: str, body: dict[str, Any], progress: Progress, *, wait: bool, began: float
) -> None:
    from tidegate.cli.follow import follow
    from tidegate.cli.progress import summary
    from tidegate.cli.workspace import who
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent

    agent = running_agent(home())
    events = agent.stream("POST", f"{path}/requests", {"by": who(), **body})
    last = follow(events, progress, wait=wait, environment=environment)
    total = round(time.monotonic() - began, 3)
    if last.get("outcome") == "unchanged":
        progress.say(f"Nothing to do: {environment} runs r{last['release']} already.")
        return
    if body["what"] == "destroy":
        progress.say(f"{environment} is gone.")
        return
    status = agent.get(path)
    progress.event({"kind": "result", "release": last["release"], "seconds": total, "routes": status["routes"]})
    progress.say("\n".join(summary(progress.steps, total)))
    progress.say(f"r{last['release']} serves {environment}.")
    for route in status["routes"]:
        progress.say(f"  {route['url']}")


def _unchanged(progress: Progress, environment: str, release: int, commit: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"kind": "result", "outcome": "unchanged", "release": release, "commit": commit})
    progress.say(f"Nothing to do: {environment} runs commit {commit[:12]} as r{release} already.")


def _tell_build(progress: Progress, text: str) -> None:
    progress.event({"kind": "build", "text": text})


def _path(space: Workspace, settings: EnvironmentSettings) -> str:
    return f"/v1/environments/{space.settings.app}/{settings.name}"


def _first(space: Workspace) -> EnvironmentSettings:
    return next(iter(space.settings.environments.values()))


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
