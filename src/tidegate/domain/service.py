"""What a service of a release is: its role, its image and its Compose definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.domain.fingerprint import fingerprint


class Role(StrEnum):
    """How a service is delivered."""

    APP = "app"  # comes in releases
    ACCESSORY = "accessory"  # belongs to the environment, converged in place
    JOB = "job"  # run once, to its end
    NONE = "none"  # not delivered


@dataclass(frozen=True)
class Service:
    """One service, ready to run.

    `image` is pinned: `repository@sha256:…` or, in the engine's own store, the content id `sha256:…`;
    only an accessory may name a tag. `definition` is the service in Compose's normal form, less what
    Tidegate decides itself (`build`, `image`, `depends_on` on other roles, `profiles`, replicas).
    """

    name: str
    role: Role
    image: str
    replicas: int = 1
    definition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal for containers that are made alike: of image and definition, not of how many there are."""
        return fingerprint({"image": self.image, "definition": self.definition})
