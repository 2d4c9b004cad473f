"""Commands on the way back: rollback, abort, destroy."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tidegate.cli.options import ENVIRONMENT, JSON, REPO, WAIT, WHY, environment_path
from tidegate.cli.parser import Parser, flag, option

if TYPE_CHECKING:
    from pathlib import Path


def register(program: Parser) -> None:
    """Add the commands."""
    program.add_command(
        rollback,
        ENVIRONMENT,
        option("release", metavar="RELEASE", nargs="?", default="", help="r7 or 7; else the one before."),
        REPO,
        WAIT,
        WHY,
        JSON,
        epilog="Examples:\n  tidegate rollback production\n  tidegate rollback production r12",
    )
    program.add_command(abort, ENVIRONMENT, REPO, JSON, epilog="Example: tidegate abort staging")
    program.add_command(
        destroy,
        ENVIRONMENT,
        REPO,
        flag("--volumes", help="Its volumes and what is in them, too."),
        option("--confirm", metavar="NAME", default="", help="APP-ENV, instead of typing it."),
        WHY,
        JSON,
        epilog="Example: tidegate destroy staging --volumes --confirm shop-staging",
    )


def rollback(*, environment: str, release: str, repo: Path, wait: bool, why: str, as_json: bool) -> None:
    """Give the traffic back to an earlier release: at once when it is warm, from its digest when not."""
    began = time.monotonic()
    from tidegate.cli.ask import ask
    from tidegate.cli.progress import progress_for
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent
    from tidegate.errors import NoSuchRelease

    number = release.removeprefix("r")
    if release and not (number.isascii() and number.isdigit()):
        raise NoSuchRelease(f"{release!r} is not a release's number")
    body = {"what": "rollback", "why": why, "release": int(number) if number else None, "auth": _credentials(repo)}
    path = environment_path(repo, environment)
    ask(running_agent(home()), path, body, progress_for(as_json=as_json), wait=wait, began=began)


def abort(*, environment: str, repo: Path, as_json: bool) -> None:
    """Stop the rollout that runs, as long as the old release still serves."""
    from tidegate.cli.progress import progress_for
    from tidegate.cli.workspace import who
    from tidegate.client.agent import Agent
    from tidegate.client.home import home

    answer = Agent(home()).post(f"{environment_path(repo, environment)}/abort", {"by": who()})
    progress = progress_for(as_json=as_json)
    progress.result(answer)
    if answer["aborting"]:
        progress.say(f"The rollout of {environment} is being stopped: tidegate status {environment}")
    else:
        progress.say(f"No rollout of {environment} can be stopped any more: tidegate rollback {environment} goes back.")


def destroy(*, environment: str, repo: Path, volumes: bool, confirm: str, why: str, as_json: bool) -> None:
    """Remove what Tidegate made for an environment, and nothing else."""
    began = time.monotonic()
    from tidegate.cli.ask import ask
    from tidegate.cli.progress import progress_for
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent
    from tidegate.errors import ConfirmationNeeded

    path = environment_path(repo, environment)
    agent = running_agent(home())
    if volumes:
        wanted = "-".join(path.split("/")[-2:])
        names = agent.get(f"{path}/volumes")
        if not confirm and sys.stdin.isatty() and not as_json:
            sys.stdout.write(f"This deletes for ever: {', '.join(names) or 'no volume'}.\n")
            confirm = _answer(f"Type {wanted} to go on: ")
        if confirm != wanted:
            raise ConfirmationNeeded(
                f"the volumes of {wanted} would be deleted for ever",
                hint=f"Type the name when asked, or pass --confirm {wanted}.",
            )
    body = {"what": "destroy", "why": why, "volumes": volumes}
    ask(agent, path, body, progress_for(as_json=as_json), wait=False, began=began)


def _answer(question: str) -> str:
    """What is typed; the end of the input is a no as Ctrl-C is. Raises `KeyboardInterrupt`."""
    try:
        return input(question)
    except EOFError:
        raise KeyboardInterrupt from None


def _credentials(repo: Path) -> dict[str, Any] | None:
    """For a release whose images have to be pulled again; looked for only where variables give some."""
    import os

    if not any(name.startswith("TIDEGATE_REGISTRY_") for name in os.environ):
        return None
    from tidegate.cli.workspace import open_workspace, registry_credentials

    with open_workspace(repo, allow_dirty=True) as space:
        return registry_credentials(space.settings.registry)
