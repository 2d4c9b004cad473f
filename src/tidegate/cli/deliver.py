"""Commands on the way forward: build, plan, deploy, promote."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tidegate.cli.options import ALLOW_DIRTY, COMMIT, ENVIRONMENT, JSON, REPO, WAIT, WHY
from tidegate.cli.parser import Parser, flag, option
from tidegate.cli.text import clean, columns, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.cli.progress import Progress
    from tidegate.cli.workspace import Workspace
    from tidegate.client.agent import Agent
    from tidegate.config.recipe import Recipe


def register(program: Parser) -> None:
    """Add the commands."""
    program.add_command(
        build,
        REPO,
        option("--environment", metavar="ENV", default="", help="Whose Compose files."),
        COMMIT,
        ALLOW_DIRTY,
        JSON,
        epilog="Example: tidegate build",
    )
    program.add_command(
        plan,
        ENVIRONMENT,
        REPO,
        COMMIT,
        ALLOW_DIRTY,
        flag("--detailed-exitcode", help="0: nothing to do, 2: changes, 1: error."),
        JSON,
        epilog="Example: tidegate plan staging --detailed-exitcode",
    )
    program.add_command(
        deploy,
        option("environment", metavar="ENV", nargs="?", default="", help="May be left out when there is one."),
        REPO,
        COMMIT,
        ALLOW_DIRTY,
        WAIT,
        WHY,
        option("--if-plan", metavar="FINGERPRINT", default="", help="Only if what that plan saw is still so."),
        JSON,
        epilog="Examples:\n  tidegate deploy\n  tidegate deploy staging --why 'fixes the cart' --wait",
    )
    program.add_command(promote, ENVIRONMENT, REPO, WAIT, WHY, JSON, epilog="Example: tidegate promote production")


def build(*, repo: Path, environment: str, commit: str, allow_dirty: bool, as_json: bool) -> None:
    """Make a commit's artifact, unless it has one already."""
    from dataclasses import asdict

    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import open_workspace

    progress = progress_for(as_json=as_json)
    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        report = space.build(space.recipe(environment), lambda text: _tell_build(progress, text))
    progress.close()
    progress.result({**asdict(report.artifact), "built": list(report.built)})
    for service, image in report.artifact.images.items():
        how = "built" if service in report.built else "was there already"
        progress.say(f"{service}: {image} ({how})")


def plan(
    *, environment: str, repo: Path, commit: str, allow_dirty: bool, detailed_exitcode: bool, as_json: bool
) -> int:
    """Show what a deployment (or, where the environment promotes, a promotion) would do and why; change nothing."""
    from tidegate.cli.progress import Silent, progress_for
    from tidegate.cli.workspace import open_workspace

    progress = Silent() if as_json else progress_for(as_json=False)
    agent = _agent()
    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        recipe = space.recipe(environment)
        wanted = _promoted(agent, repo, recipe, progress) if recipe.promote else _built(space, recipe, progress)
    made = agent.post(f"{recipe.path}/plan", {key: wanted[key] for key in ("artifact", "configuration")})
    progress.close()
    if as_json:
        write_json(made)
    else:
        _show_plan(made, environment)
    return 2 if detailed_exitcode and made["actions"] else 0


def deploy(
    *,
    environment: str,
    repo: Path,
    commit: str,
    allow_dirty: bool,
    wait: bool,
    why: str,
    if_plan: str,
    as_json: bool,
) -> None:
    """Bring an environment to a commit: build, start beside, probe, shift."""
    began = time.monotonic()
    from tidegate.cli.ask import ask
    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import open_workspace
    from tidegate.errors import PromoteOnly

    progress = progress_for(as_json=as_json)
    with open_workspace(repo, commit, allow_dirty=allow_dirty) as space:
        recipe = space.recipe(environment)
        if recipe.promote:
            raise PromoteOnly(
                f"{recipe.environment} takes what runs in {recipe.promote}",
                hint=f"tidegate deploy {recipe.promote}, and then: tidegate promote {recipe.environment}",
            )
        agent = _agent()
        if not space.commit.dirty:
            known = agent.get(f"{recipe.path}/delivered/{space.commit.id}")
            if known["satisfied"]:
                progress.result({"outcome": "unchanged", "release": known["release"], "commit": space.commit.id})
                where = f"{recipe.environment} runs commit {space.commit.id[:12]} as r{known['release']}"
                progress.say(f"Nothing to do: {where} already.")
                return
        body = _built(space, recipe, progress)
    body |= {"what": "deploy", "why": why, "if_plan": if_plan or None}
    ask(agent, recipe.path, body, progress, wait=wait, began=began)


def promote(*, environment: str, repo: Path, wait: bool, why: str, as_json: bool) -> None:
    """Bring an environment to the very digests that run in the one it promotes from."""
    began = time.monotonic()
    from tidegate.cli.ask import ask
    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import open_workspace
    from tidegate.errors import NotPromotable

    progress = progress_for(as_json=as_json)
    agent = _agent()
    with open_workspace(repo, allow_dirty=True) as space:
        recipe = space.recipe(environment)
    if not recipe.promote:
        raise NotPromotable(
            f"{environment} does not say where it promotes from",
            hint=f"Add promote: ENV to {environment} in tidegate.yaml, or deploy to it.",
        )
    body = _promoted(agent, repo, recipe, progress)
    body |= {"what": "promote", "why": why or body["why"]}
    ask(agent, recipe.path, body, progress, wait=wait, began=began)


# --- what they share ---------------------------------------------------------------------------------


def _built(space: Workspace, recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """What the commit makes of the environment, as a request's body."""
    from dataclasses import asdict

    from tidegate.cli.progress import step
    from tidegate.cli.workspace import registry_credentials

    with step(progress, "build"):
        report = space.build(recipe, lambda text: _tell_build(progress, text))
    return {
        "artifact": asdict(report.artifact),
        "configuration": recipe.configured(report.artifact.images),
        "auth": registry_credentials(recipe.registry),
    }


def _promoted(agent: Agent, repo: Path, recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """What runs where the environment promotes from, with the files of its commit, as a request's body."""
    from tidegate.cli.progress import step
    from tidegate.cli.workspace import open_workspace, registry_credentials
    from tidegate.errors import NotPromotable

    source = recipe.promote
    found = agent.get(f"/v1/environments/{recipe.app}/{source}")
    running = found["release"]
    if running is None or found["wanted"] != running["number"] or found["serving"] not in ([], [running["number"]]):
        raise NotPromotable(f"{source} serves no single release now", hint=f"tidegate status {source}")
    if running["dirty"]:
        raise NotPromotable(
            f"r{running['number']} of {source} holds changes that no commit holds",
            hint=f"Commit them and deploy to {source} again.",
        )
    with (
        step(progress, f"read commit {found['commit'][:12]}"),
        open_workspace(repo, found["commit"], allow_dirty=True) as space,
    ):
        configuration = space.recipe(recipe.environment).configured(running["images"])
    return {
        "why": f"r{running['number']} of {source}",
        "artifact": {"commit": found["commit"], "images": running["images"]},
        "configuration": configuration,
        "auth": registry_credentials(recipe.registry),
    }


def _show_plan(made: dict[str, Any], environment: str) -> None:
    serving = ", ".join(f"r{n}" for n in made["serving"]) or "nothing"
    sys.stdout.write(f"desired: r{made['release']} in {environment}; observed: {serving} serves\n")
    if not made["actions"]:
        sys.stdout.write("Nothing to do.\n")
        return
    rows = [(f"{i}.", clean(a["what"]), f"because {clean(a['why'])}") for i, a in enumerate(made["actions"], 1)]
    sys.stdout.write("\n".join(columns(rows)) + f"\nfingerprint of what was observed: {made['fingerprint']}\n")


def _tell_build(progress: Progress, text: str) -> None:
    progress.event({"kind": "build", "text": text})


def _agent() -> Agent:
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent

    return running_agent(home())
