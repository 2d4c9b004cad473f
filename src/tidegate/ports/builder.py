"""Makers of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class BuildTarget:
    """One image to build. `context` is absolute; `dockerfile` is relative to it. `tags` are where a
    later look-up finds the commit's image again: the first one is its name for the commit."""

    service: str
    context: Path
    tags: tuple[str, ...]
    dockerfile: str = "Dockerfile"
    stage: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class Builder(Protocol):
    """Builds with a layer cache, and finds what was built before."""

    def find(self, tag: str, *, registry: bool) -> str | None:
        """The pinned image that bears `tag` (`repository@sha256:…` in a registry, `sha256:…` in the
        engine), or None. Raises `RegistryRefused`, `RegistryUnavailable`, `EngineUnavailable`."""
        ...

    def build(
        self, targets: Sequence[BuildTarget], *, push: bool, progress: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Build all targets; the pinned image of each service. `progress` gets plain lines.

        Raises `BuildFailed`, `RegistryRefused`, `RegistryUnavailable`, `EngineUnavailable`, `ToolMissing`.
        """
        ...
