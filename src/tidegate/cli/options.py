"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[Path, typer.Option("--repo", metavar="DIR", help="The repository, when it is not here.")]
Environment = Annotated[str, typer.Argument(metavar="ENV", help="An environment of tidegate.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="For machines: JSON, one object a line while something happens.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the audit log.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return only after the drain and the warm period.")]
AllowDirty = Annotated[
    bool, typer.Option("--allow-dirty", help="Deliver changes that no commit holds, and mark the release.")
]


def environment_path(repo: Path, environment: str) -> str:
    """Where the agent keeps an environment of the repository's app. Raises `UnknownEnvironment`."""
    from tidegate.cli.workspace import app_name
    from tidegate.domain.names import RULE, is_name
    from tidegate.errors import UnknownEnvironment

    if not is_name(environment):
        raise UnknownEnvironment(f"{environment[:60]!r} is not an environment's name", hint=f"A name has {RULE}.")
    return f"/v1/environments/{app_name(repo)}/{environment}"
