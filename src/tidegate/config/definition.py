"""From the Compose files' normal form to what an environment runs: roles, builds, services. Pure.

All faults of one environment are told at once, with their place in tidegate.yaml where they have one there, else
with the way to them in the Compose files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.config.builds import build_of
from tidegate.config.definition_faults import reference_faults, service_faults, volume_faults
from tidegate.config.definition_notes import notes, written_replicas
from tidegate.config.roles import Part, Services, decide, in_order
from tidegate.config.settings import EnvironmentSettings, Settings
from tidegate.config.words import found
from tidegate.domain.build import BuildSpec
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Configuration
from tidegate.domain.service import Role, Service
from tidegate.errors import ImageMissing, InvalidConfiguration

# Tidegate's own to decide, or of no meaning once the files are merged.
_DROPPED = {
    *("attach", "build", "container_name", "depends_on", "develop", "env_file", "image", "ports", "profiles"),
    *("pull_policy", "pull_refresh_after", "scale", "x-tidegate"),
}
_DIGEST = re.compile(r"(.+@)?sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Definition:
    """What an environment makes of a commit's files, before there are images.

    `parts` says why each service has its role, `builds` what to build, `builder_of` which build's image a service
    gets, `notes` what people should know.
    """

    name: EnvironmentName
    parts: Mapping[str, Part]
    builds: tuple[BuildSpec, ...]
    notes: tuple[str, ...]
    services: tuple[Service, ...]  # those that are delivered; an image that is to be built is empty
    builder_of: Mapping[str, str]
    settings: EnvironmentSettings

    @property
    def roles(self) -> Mapping[str, Role]:
        """Each service's role."""
        return {name: part.role for name, part in self.parts.items()}

    def configuration(self, images: Mapping[str, str]) -> Configuration:
        """The configuration with the pinned `images` of the builds, by their service.

        Raises `ImageMissing` when one is not there.
        """
        missing = sorted(set(self.builder_of.values()) - images.keys())
        if missing:
            raise ImageMissing(
                f"{self.name}: the artifact has no image of {', '.join(missing)}.",
                hint="It was made of another definition: deploy a commit rather than promote an artifact.",
            )
        pinned = (
            replace(service, image=images[self.builder_of[service.name]])
            if service.name in self.builder_of
            else service
            for service in self.services
        )
        return Configuration(
            tuple(pinned), tuple(sorted(self.settings.routes, key=lambda route: route.claim)), self.settings.strategy
        )


def define(settings: Settings, environment: EnvironmentSettings, normal: Mapping[str, Any]) -> Definition:
    """Decide roles, builds and services. `normal` is the normal form, its paths relative to the first Compose file.

    Raises `InvalidConfiguration` with every fault in `details`.
    """
    services: Services = {name: service or {} for name, service in (normal.get("services") or {}).items()}
    folder = posixpath.dirname(environment.compose[0]) if environment.compose else ""
    parts = decide(environment, services)
    faults = [*reference_faults(settings, environment, services, parts), *volume_faults(normal)]
    builds: dict[str, BuildSpec] = {}
    for name, part in parts.items():
        if part.role is Role.NONE:
            continue
        faults += [f"services.{name}.{fault}" for fault in service_faults(services[name], part.role)]
        if services[name].get("build") is not None:
            try:
                builds[name] = build_of(name, services[name], folder)
            except ValueError as error:
                faults.append(f"services.{name}.{error}")
    builder_of = _builders(services, parts, builds)
    faults += _unpinned(services, parts, builder_of)
    if faults:
        raise InvalidConfiguration(f"Environment {environment.name} cannot run as it is described.", details=faults)
    delivered = tuple(
        Service(
            name=name,
            role=parts[name].role,
            image="" if name in builder_of else str(services[name]["image"]),
            replicas=_replicas(environment, name, services[name], parts[name].role),
            definition=_trimmed(services[name]),
        )
        for name in in_order(services)
        if parts[name].role is not Role.NONE
    )
    return Definition(
        name=settings.name(environment),
        parts={name: parts[name] for name in in_order(services)},
        builds=tuple(builds[name] for name in sorted(set(builder_of.values()))),
        notes=tuple(notes(environment, normal, services, parts)),
        services=delivered,
        builder_of=builder_of,
        settings=environment,
    )


def _unpinned(services: Services, parts: Mapping[str, Part], builder_of: Mapping[str, str]) -> Iterator[str]:
    """What comes in releases must not change under them."""
    for name, part in parts.items():
        image = str(services[name].get("image") or "")
        given = name in builder_of or services[name].get("build") is not None or _DIGEST.fullmatch(image)
        if part.role in (Role.APP, Role.JOB) and not given:
            yield (
                f"services.{name}.image: {found(image)}, expected a digest (name@sha256:…) or build: beside it: "
                f"it comes in releases ({part.why}), and a tag may mean another image tomorrow"
            )


def _builders(services: Services, parts: Mapping[str, Part], builds: Mapping[str, BuildSpec]) -> dict[str, str]:
    """Which build's image each service gets: its own, an equal one's, or that of the image's name."""
    first: dict[str, str] = {}  # by what is built
    by_image: dict[str, str] = {}
    builder_of: dict[str, str] = {}
    for name, spec in sorted(builds.items()):
        recipe = repr((spec.context, spec.dockerfile, spec.stage, sorted(spec.arguments.items())))
        builder_of[name] = first.setdefault(recipe, name)
        if image := services[name].get("image"):
            by_image.setdefault(str(image), builder_of[name])
    for name, part in parts.items():
        image = str(services[name].get("image") or "")
        if name not in builder_of and part.role is not Role.NONE and image in by_image:
            builder_of[name] = by_image[image]
    return builder_of


def _replicas(environment: EnvironmentSettings, name: str, service: Mapping[str, Any], role: Role) -> int:
    return environment.replicas.get(name, written_replicas(service)) if role is Role.APP else 1


def _trimmed(service: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without what is decided elsewhere and without empty parts that come and go with versions."""
    trimmed = {key: value for key, value in service.items() if key not in _DROPPED}
    deploy = {key: value for key, value in (service.get("deploy") or {}).items() if key not in ("replicas", "mode")}
    trimmed["deploy"] = {key: value for key, value in deploy.items() if value}
    if trimmed.get("networks") == {"default": None}:
        del trimmed["networks"]
    meaningful_empty = ("command", "entrypoint")
    return {
        key: value
        for key, value in trimmed.items()
        if value is not None and (value not in ({}, []) or key in meaningful_empty)
    }
