"""Which images are built, from what, and for which services. Pure.

Paths are in the repository and relative to its root; a service whose build equals another's is given that image.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from tidegate.config.compose_keys import IGNORED_IN_BUILDS
from tidegate.config.refusals import escapes
from tidegate.config.words import found
from tidegate.domain.build import BuildSpec


def build_of(name: str, service: Mapping[str, Any], folder: str) -> BuildSpec:
    """The build of one service in normal form; `folder` is what its paths are relative to.

    Raises ValueError for what leads out of the repository.
    """
    section = service["build"] if isinstance(service["build"], dict) else {"context": service["build"]}
    written = undollar(str(section.get("context") or "."))
    if "://" in written or written.startswith(("/", "git@")) or escapes(folder, written):
        raise ValueError(f"build.context: {found(written)}, expected a folder in the repository")
    context = posixpath.normpath(posixpath.join(folder, written))
    dockerfile = undollar(str(section.get("dockerfile") or "Dockerfile"))
    if dockerfile.startswith("/") or escapes(context, dockerfile):
        raise ValueError(f"build.dockerfile: {found(dockerfile)}, expected a file in the repository")
    arguments = {
        str(key): undollar(_text(value)) for key, value in (section.get("args") or {}).items() if value is not None
    }
    stage = section.get("target")
    return BuildSpec(name, context, posixpath.normpath(dockerfile), str(stage) if stage else None, arguments)


def ignored_keys(service: Mapping[str, Any]) -> list[str]:
    """Keys of a build that Tidegate decides itself."""
    section = service.get("build")
    return [key for key in IGNORED_IN_BUILDS if isinstance(section, dict) and section.get(key)]


def undollar(text: str) -> str:
    """The normal form doubles every literal dollar sign."""
    return text.replace("$$", "$")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
