"""Wires what a command needs in a repository: git, BuildKit, Compose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.ports.builder import Builder
    from tidegate.ports.compose import ComposeNormalizer
    from tidegate.ports.source import Source
    from tidegate.ports.target import RegistryAuth


def make_source(repo: Path) -> Source:
    """The git repository around `repo`."""
    from tidegate.adapters.sources.git import GitSource

    return GitSource(repo)


def make_builder(registry: str | None) -> Builder:
    """BuildKit."""
    from tidegate.adapters.builders.buildx import Buildx

    return Buildx(registry)


def find_credentials(registry: str) -> RegistryAuth | None:
    """What this user is known by at a registry: TIDEGATE_REGISTRY_*, else Docker's own store."""
    from tidegate.adapters.builders.buildx import find_credentials as found

    return found(registry)


def make_normalizer() -> ComposeNormalizer:
    """Docker Compose, as the reader of Compose files."""
    from tidegate.adapters.normalizers.compose_cli import ComposeCli

    return ComposeCli()
