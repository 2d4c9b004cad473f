"""What command line and agent agree on before they speak."""

from __future__ import annotations

API = 1  # raised when an older peer would misunderstand
API_HEADER = "Tidegate-Api"
VERSION_HEADER = "Tidegate-Version"
FAILED = "failed: "  # begins the log line on which an agent that cannot start says why, as JSON
EXIT_NOT_ALONE = 75  # an agent that found another one in its place ends with this, and is not restarted
EXIT_STOPPED = 0  # an agent that was told to stop
