"""Where an agent keeps its things, and where it is reached. The same for the command line and the agent.

`TIDEGATE_HOME` decides; without it, root's agent lives where system services do and anybody else's in
their own data folder. `TIDEGATE_HTTP_PORT` is the router's port, 80 unless set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import HomeUnusable

DEFAULT_PORT = 80


@dataclass(frozen=True)
class Home:
    """The paths of one agent."""

    path: Path

    @property
    def socket(self) -> Path:
        """The unix socket of its API, mode 0600."""
        return self.path / "agent.sock"

    @property
    def lock(self) -> Path:
        """Held by the agent that lives here."""
        return self.path / "agent.lock"

    @property
    def log(self) -> Path:
        """What the agent has to say, when nobody listens."""
        return self.path / "agent.log"

    @property
    def database(self) -> Path:
        """Intents, releases, history."""
        return self.path / "state.db"

    @property
    def environments(self) -> Path:
        """Releases kept whole, one folder an environment."""
        return self.path / "environments"

    @property
    def router(self) -> Path:
        """The router's configuration and sockets."""
        return self.path / "router"


def home() -> Home:
    """The home that the environment variables name."""
    named = os.environ.get("TIDEGATE_HOME")
    if named:
        return Home(Path(named).absolute())
    if os.geteuid() == 0:
        return Home(Path("/var/lib/tidegate"))
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Home(Path(data) / "tidegate")


def http_port() -> int:
    """The router's port. Raises `HomeUnusable` for what is not one."""
    text = os.environ.get("TIDEGATE_HTTP_PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise HomeUnusable(f"TIDEGATE_HTTP_PORT is {text[:20]!r}", hint="Give it a port: 1 to 65535.")
    return int(text)
