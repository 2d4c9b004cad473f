"""`tidegate agent`: run, start, status, stop."""

from __future__ import annotations

import sys
import time

from tidegate.cli.options import JSON
from tidegate.cli.parser import Parser, flag
from tidegate.cli.text import write_json


def register(program: Parser) -> None:
    """Add the commands."""
    agent = program.add_group("agent", "The resident process that owns this host's environments.")
    agent.add_command(
        run, epilog="For systemd; see deploy/systemd. TIDEGATE_HOME and TIDEGATE_HTTP_PORT are its settings."
    )
    agent.add_command(start)
    agent.add_command(status, JSON)
    agent.add_command(stop, flag("--router", help="The router, too: nothing is served any more."))


def run() -> None:
    """Be the agent, in the foreground."""
    import os

    os.execv(sys.executable, [sys.executable, "-m", "tidegate.agent"])  # noqa: S606


def start() -> None:
    """Start the agent detached, unless it runs. Commands that need it do so by themselves."""
    from tidegate.client.home import home
    from tidegate.client.launch import running_agent

    found = running_agent(home()).get("/v1/agent")
    sys.stdout.write(f"agent {found['pid']} runs; home {found['home']}\n")


def status(*, as_json: bool) -> None:
    """Show the agent, its engine and its router."""
    from tidegate.client.agent import Agent
    from tidegate.client.home import home
    from tidegate.errors import AgentUnavailable

    try:
        found = Agent(home()).get("/v1/agent")
    except AgentUnavailable as error:
        raise AgentUnavailable(
            f"{error.message} at {home().socket}", hint="tidegate agent start, or any command that needs it."
        ) from error
    if as_json:
        write_json(found)
        return
    router, engine = found["router"], found["engine"]
    sys.stdout.write(
        f"agent   {found['version']}, pid {found['pid']}, home {found['home']}\n"
        f"log     {found['log']}\n"
        f"engine  {engine.get('product')} {engine.get('version')}\n"
        f"router  {router.get('product')} {router.get('version')}, pid {router.get('pid')}, "
        f"port {router.get('http_port')}, restarted {router.get('restarts')} times\n"
        f"owns    {', '.join(found['environments']) or 'nothing yet'}\n"
    )


def stop(*, router: bool) -> None:
    """Stop the agent. What it deployed goes on serving."""
    from tidegate.client.agent import Agent
    from tidegate.client.home import home
    from tidegate.errors import AgentUnavailable

    place = home()
    agent = Agent(place)
    try:
        agent.post("/v1/agent/stop", {"router": router})
    except AgentUnavailable:
        if place.socket.exists():
            raise
        sys.stdout.write("No agent runs.\n")
        return
    until = time.monotonic() + 30
    while place.socket.exists() and time.monotonic() < until:
        time.sleep(0.05)
    if place.socket.exists():
        raise AgentUnavailable("the agent has not ended within 30 s", hint=f"Its log is {place.log}.")
    sys.stdout.write("The agent has stopped.\n" if not router else "The agent and the router have stopped.\n")
