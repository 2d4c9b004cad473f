"""Find the agent, or start it detached when there is none.

Where systemd keeps the agent (deploy/systemd/) this never starts one: it only waits for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from tidegate.client.agent import Agent
from tidegate.client.home import Home
from tidegate.errors import AgentElsewhere, AgentUnavailable

PATIENCE = 20.0  # seconds for an agent to come up


def running_agent(home: Home) -> Agent:
    """The agent, started if need be. Raises `AgentUnavailable`, `AgentElsewhere`."""
    agent = Agent(home)
    try:
        agent.get("/v1/agent")
    except AgentUnavailable:
        if home.socket.exists() and not os.access(home.socket, os.W_OK):
            raise
        start_detached(home)
    return agent


def start_detached(home: Home) -> dict[str, Any]:
    """Start an agent that outlives this command, and wait until it answers; its description."""
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    agent = Agent(home)
    size = home.log.stat().st_size if home.log.exists() else 0
    log = os.open(home.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tidegate.agent.keeper"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            env={**os.environ, "TIDEGATE_HOME": str(home.path)},
        )
    finally:
        os.close(log)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            found: dict[str, Any] = agent.get("/v1/agent")
            return found
        except AgentUnavailable:
            if keeper.poll() is not None and not home.socket.exists():
                break
            time.sleep(0.02)
    raise _why_not(home, size)


def _why_not(home: Home, since: int) -> AgentUnavailable | AgentElsewhere:
    with home.log.open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    if "agent-elsewhere" in last:
        return AgentElsewhere(last.partition("agent-elsewhere: ")[2] or last)
    return AgentUnavailable(
        f"the agent did not come up: {last}", hint=f"Its log is {home.log}; tidegate agent run shows it directly."
    )
