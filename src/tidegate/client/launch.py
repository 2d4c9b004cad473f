"""Find the agent, or start it when there is none: by systemd where that keeps it, else detached.

Detached, a keeper restarts it; see `tidegate.agent.keeper`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tidegate.client.agent import Agent
from tidegate.client.home import Home
from tidegate.client.protocol import FAILED
from tidegate.errors import AgentUnavailable, TidegateError, from_payload

PATIENCE = 20.0  # seconds for an agent to come up
UNIT = "tidegate-agent.service"
SYSTEMD = Path("/run/systemd/system")  # there when systemd is process 1


def running_agent(home: Home) -> Agent:
    """The agent, started if need be. Raises `AgentUnavailable`, and what an agent cannot start for."""
    agent = Agent(home)
    if not agent.answers():
        start_detached(home)
    return agent


def start_detached(home: Home) -> dict[str, Any]:
    """Start an agent that outlives this command, and wait until it answers; its description.

    Raises what the agent says that it cannot start for, or `AgentUnavailable`.
    """
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    size = home.log.stat().st_size if home.log.exists() else 0
    keeper = None if _kept_by_systemd() else _start_keeper(home)
    agent = Agent(home)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            found: dict[str, Any] = agent.get("/v1/agent")
            return found
        except AgentUnavailable:
            if (reason := _reason(home, size)) is not None:
                raise reason from None
            if keeper is not None and keeper.poll() is not None and not home.socket.exists():
                break
            time.sleep(0.02)
    raise _reason(home, size) or AgentUnavailable(
        f"the agent did not come up within {PATIENCE:g} s",
        hint=f"Its log is {home.log}; tidegate agent run shows it directly.",
    )


def _start_keeper(home: Home) -> subprocess.Popen[bytes]:
    log = os.open(home.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        return subprocess.Popen(
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


def _kept_by_systemd() -> bool:
    """Whether systemd keeps this host's agent; then it is asked to start it."""
    if not SYSTEMD.is_dir():
        return False
    enabled = ["systemctl", "is-enabled", "--quiet", UNIT]
    try:
        if subprocess.run(enabled, capture_output=True, check=False).returncode != 0:
            return False
        started = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True, check=False)
    except OSError:
        return False
    if started.returncode != 0:
        raise AgentUnavailable(
            f"systemd could not start {UNIT}: {started.stderr.strip()}", hint=f"journalctl -u {UNIT} tells more."
        )
    return True


def _reason(home: Home, since: int) -> TidegateError | None:
    """What an agent said it cannot start for, in the log from byte `since` on."""
    if not home.log.exists():
        return None
    with home.log.open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").splitlines()
    for line in lines:
        if line.startswith(FAILED):
            return from_payload(json.loads(line.removeprefix(FAILED)))
    return None
