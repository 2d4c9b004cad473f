"""`python -m tidegate.agent`: be the agent. What `tidegate agent run` becomes, without a command line's imports."""

from __future__ import annotations

import sys

from tidegate.agent.main import run
from tidegate.client.home import home, http_port

if __name__ == "__main__":
    sys.exit(run(home(), http_port))
