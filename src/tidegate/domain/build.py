"""What an app has built, and what the images of a commit are called.

The names are a cache key: an image found under the name for a commit and a spec is what building that
spec from that commit would make. So whatever changes the result is in the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.release import Artifact

EMBEDDED = "tidegate.local"  # the prefix of images that stay in the engine; no such host can exist
_COMPONENT = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")


@dataclass(frozen=True)
class BuildSpec:
    """How one service's image is built. `context` is relative to the repository's root, `dockerfile` to `context`."""

    service: str
    context: str = "."
    dockerfile: str = "Dockerfile"
    stage: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildReport:
    """An artifact, and how it came about: `found` and `built` are services, `seconds` the whole way."""

    artifact: Artifact
    found: tuple[str, ...]
    built: tuple[str, ...]
    seconds: float


def repository(app: str, service: str, registry: str | None) -> str:
    """Where a service's images are kept, without a tag: `registry.example.com/shop/web`, `tidegate.local/shop/web`."""
    component = service.lower()
    if not _COMPONENT.fullmatch(component):
        component = re.sub(r"[^a-z0-9]+", "-", component).strip("-")
    return f"{registry.rstrip('/') if registry else f'{EMBEDDED}/{app}'}/{component}"


def image_tag(spec: BuildSpec, commit: str, content: str | None = None) -> str:
    """The tag of the image that `spec` makes of a commit: `git-<commit>-<spec>`.

    `content`, the fingerprint of the files, marks an image of a dirty work tree: `git-…-…-dirty-<content>`.
    """
    tag = f"git-{commit[:12]}-{fingerprint(spec)[:8]}"
    return tag if content is None else f"{tag}-dirty-{content[:8]}"
