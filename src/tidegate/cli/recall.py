"""Recipes that were made before, kept in the user's cache folder by the content of the files they follow from.

A cache and nothing more: whatever is unreadable, unwritable or of another version is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegate import __version__, config
from tidegate.config.recipe import Recipe, digest, from_json, to_json

KEPT = 100  # recipes

Read = Callable[[str], bytes | None]


def recall(settings: bytes, environment: str, read: Read) -> Recipe | None:
    """The recipe for these contents, if it was made before. `read` gives a Compose file's content."""
    try:
        kept: dict[str, Any] = json.loads(_file(settings, environment).read_bytes())
        if all(digest(read(name)) == wanted for name, wanted in kept["files"].items()):
            return from_json(kept["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def remember(settings: bytes, environment: str, files: Mapping[str, bytes | None], recipe: Recipe) -> None:
    """Keep a recipe. `files` are the Compose files it follows from, and those whose absence it follows from."""
    file = _file(settings, environment)
    kept = {"files": {name: digest(content) for name, content in files.items()}, "recipe": to_json(recipe)}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = file.with_suffix(f".{os.getpid()}")
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(kept))
        scratch.replace(file)
        for old in sorted(file.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            old.unlink()


def _file(settings: bytes, environment: str) -> Path:
    """Its name holds all but the Compose files' contents: this version of Tidegate, tidegate.yaml, the environment."""
    code = max(entry.stat().st_mtime_ns for entry in os.scandir(Path(config.__file__).parent))
    mark = hashlib.sha256(f"{__version__} {code} {environment}\n".encode() + settings).hexdigest()[:40]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tidegate" / "recipes" / f"{mark}.json"
