"""Which services come in releases, which belong to the environment, which run once. Pure.

The rule is one line in the manual: an app service has `build:`, shares a built image, or is routed; a job is named
by `migrate:`; all else is an accessory; `x-tidegate: {role: …}` overrides. A service that only inactive profiles
hold is not delivered, unless it is named: as in Compose, naming it makes it active.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.config.settings import EnvironmentSettings
from tidegate.domain.service import Role

Services = Mapping[str, Mapping[str, Any]]  # by name, in normal form


@dataclass(frozen=True)
class Part:
    """A service's role, and why it is so, for people."""

    role: Role
    why: str


def decide(environment: EnvironmentSettings, services: Services) -> dict[str, Part]:
    """Each service's part; `services` are those of the normal form. An unknown override counts as none."""
    routed = {route.service for route in environment.routes}
    built = {str(service["image"]): name for name, service in services.items() if built_image(service)}

    def part(name: str, service: Mapping[str, Any]) -> Part:
        override = override_of(service)
        image = str(service.get("image"))
        if override in tuple(Role):
            return Part(Role(override), "x-tidegate says so")
        if name == environment.migrate:
            return Part(Role.JOB, "migrate: names it")
        if name in routed:
            return Part(Role.APP, "it is routed")
        if profiles := service.get("profiles"):
            return Part(Role.NONE, f"only in profile {', '.join(map(str, profiles))}")
        if service.get("build") is not None or image in built:
            return Part(Role.APP, "it is built" if service.get("build") else f"it shares {built[image]}'s image")
        return Part(Role.ACCESSORY, "it is neither built nor routed")

    return {name: part(name, service) for name, service in services.items()}


def override_of(service: Mapping[str, Any]) -> Any:
    """The role that `x-tidegate:` asks for, which may be none; None when it does not."""
    extension = service.get("x-tidegate")
    return extension.get("role") if isinstance(extension, Mapping) else extension


def built_image(service: Mapping[str, Any]) -> bool:
    """Whether the service builds the image that its `image:` names."""
    return service.get("build") is not None and bool(service.get("image"))


def in_order(services: Services) -> list[str]:
    """Service names, each after those it depends on, else by name. Circles (Compose refuses them) are cut."""
    order: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in begun or name not in services:
            return
        begun.add(name)
        for wanted in sorted(services[name].get("depends_on") or ()):
            visit(wanted)
        order[name] = None

    for name in sorted(services):
        visit(name)
    return list(order)
