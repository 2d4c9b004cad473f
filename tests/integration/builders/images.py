"""Looking at the engine's images, and removing the ones that a test made."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def inspect(name: str) -> dict[str, Any] | None:
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    return dict(found[0]) if found else None


def remove(prefix: str) -> None:
    """Remove every image below the repository `prefix`."""
    command = ["docker", "image", "ls", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    ids = {line.split()[1] for line in listed if line.startswith(f"{prefix}/")}
    if ids:
        subprocess.run(["docker", "image", "rm", "--force", *ids], capture_output=True, check=False)
