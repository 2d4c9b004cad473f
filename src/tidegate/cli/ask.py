"""Ask the agent for a change, follow it to where the command may return, and show the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tidegate.cli.follow import follow
from tidegate.cli.progress import Progress, summary
from tidegate.cli.workspace import who

if TYPE_CHECKING:
    from tidegate.client.agent import Agent


def ask(agent: Agent, path: str, body: dict[str, Any], progress: Progress, *, wait: bool, began: float) -> None:
    """Send the request at `path` and tell how it ends. `began` is when the command did, in monotonic seconds."""
    environment = path.rpartition("/")[2]
    events = agent.stream("POST", f"{path}/requests", {"by": who(), **body})
    last = follow(events, progress, wait=wait, environment=environment)
    total = round(time.monotonic() - began, 3)
    result: dict[str, Any] = {"outcome": last.get("outcome", "shifted"), "release": last["release"], "seconds": total}
    if result["outcome"] == "unchanged":
        progress.result(result)
        progress.say(f"Nothing to do: {environment} runs r{last['release']} already.")
        return
    if body["what"] == "destroy":
        progress.result(result)
        progress.say(f"{environment} is gone.")
        return
    routes = last.get("routes") or agent.get(path)["routes"]
    progress.result({**result, "routes": routes})
    progress.say("\n".join(summary(progress.steps, total)))
    progress.say(f"r{last['release']} serves {environment}.")
    for route in routes:
        progress.say(f"  {route['url']}")
