"""Options that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TYPE_CHECKING

from tidegate.cli.parser import flag, option

if TYPE_CHECKING:
    from pathlib import Path


def folder(text: str) -> Path:
    """A folder's path."""
    from pathlib import Path

    return Path(text)


def number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within both bounds; the lower one is not below 0."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


ENVIRONMENT = option("environment", metavar="ENV", help="An environment of tidegate.yaml.")
REPO = option(
    "--repo", metavar="DIR", type=folder, default=".", help="The repository, when it is not here. [default: .]"
)
COMMIT = option("--commit", metavar="REV", default="HEAD", help="Another commit than HEAD. [default: HEAD]")
ALLOW_DIRTY = flag("--allow-dirty", help="Deliver changes that no commit holds, and mark the release.")
WAIT = flag("--wait", help="Return only after the drain and the warm period.")
WHY = option("--why", metavar="TEXT", default="", help="The reason, for the audit log.")
JSON = flag("--json", dest="as_json", help="For machines: JSON, one object a line while something happens.")


def environment_path(repo: Path, environment: str) -> str:
    """Where the agent keeps an environment of the repository's app. Raises `UnknownEnvironment`."""
    from tidegate.cli.workspace import app_name
    from tidegate.domain.names import RULE, is_name
    from tidegate.errors import UnknownEnvironment

    if not is_name(environment):
        raise UnknownEnvironment(f"{environment[:60]!r} is not an environment's name", hint=f"A name has {RULE}.")
    return f"/v1/environments/{app_name(repo)}/{environment}"
