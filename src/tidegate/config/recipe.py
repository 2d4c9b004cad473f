"""What a delivery needs of a commit's files, as plain data that can be kept.

A recipe follows from tidegate.yaml and the Compose files alone. Most commits change neither, so a command
that meets the same files again takes the recipe that it made of them then, and needs neither pydantic nor
Compose to be loaded. Nothing is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tidegate.domain.build import BuildSpec
from tidegate.errors import ImageMissing

if TYPE_CHECKING:
    from tidegate.config.compose import Definition

ELSEWHERE = ("extends", "env_file", "label_file")  # keys by which a service takes something from another file


@dataclass(frozen=True)
class Recipe:
    """One environment of an app, before there are images.

    `configuration` is a `domain.release.Configuration` as JSON, its built images empty; `builder_of` says which
    build's image a service gets.
    """

    app: str
    environment: str
    registry: str | None
    promote: str | None
    builds: tuple[BuildSpec, ...]
    builder_of: Mapping[str, str]
    configuration: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where the agent keeps the environment."""
        return f"/v1/environments/{self.app}/{self.environment}"

    def configured(self, images: Mapping[str, str]) -> dict[str, Any]:
        """The configuration as JSON, with the pinned `images` of the builds. Raises `ImageMissing`."""
        missing = sorted(set(self.builder_of.values()) - images.keys())
        if missing:
            raise ImageMissing(
                f"{self.app}/{self.environment}: the artifact has no image of {', '.join(missing)}",
                hint="It was made of another definition: deploy a commit rather than promote an artifact.",
            )
        services = [
            {**service, "image": images[self.builder_of[service["name"]]]}
            if service["name"] in self.builder_of
            else service
            for service in self.configuration["services"]
        ]
        return {**self.configuration, "services": services}


def recipe_of(definition: Definition, registry: str | None) -> Recipe:
    """The recipe for what `config.compose.define` made of the files."""
    blank = dict.fromkeys(definition.builder_of.values(), "")
    return Recipe(
        app=definition.name.app,
        environment=definition.name.environment,
        registry=registry,
        promote=definition.settings.promote,
        builds=definition.builds,
        builder_of=dict(definition.builder_of),
        configuration=asdict(definition.configuration(blank)),
    )


def to_json(recipe: Recipe) -> dict[str, Any]:
    """A JSON object that `from_json` turns back into the same recipe."""
    return asdict(recipe)


def from_json(kept: Mapping[str, Any]) -> Recipe:
    """Raises `KeyError` or `TypeError` for what `to_json` did not write."""
    return Recipe(**{**kept, "builds": tuple(BuildSpec(**build) for build in kept["builds"])})


def is_self_contained(compose: bytes) -> bool:
    """Whether a Compose file takes nothing from another file, so that it says everything that there is to know."""
    import yaml

    try:
        document = yaml.load(compose, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError:
        return False
    if not isinstance(document, dict) or "include" in document:
        return False
    services = document.get("services")
    return isinstance(services, dict) and not any(
        key in service for service in services.values() if isinstance(service, dict) for key in ELSEWHERE
    )


def digest(content: bytes | None) -> str | None:
    """What tells one content of a file from another; None for a file that is not there."""
    return None if content is None else hashlib.sha256(content).hexdigest()
