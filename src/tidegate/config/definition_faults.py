"""Why an environment cannot run as tidegate.yaml and the Compose files' normal form describe it. Pure.

What is named in tidegate.yaml is told with its place there. The Compose files' own keys are judged again, by the
same tables as the files were: includes and variables may have brought in what no file's text shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.config.compose_keys import PROJECT, SERVICE, Shape
from tidegate.config.definition_notes import written_replicas
from tidegate.config.refusals import refusals, role_fault
from tidegate.config.roles import Part, Services, override_of
from tidegate.config.settings import EnvironmentSettings, Settings
from tidegate.config.words import found, suggestion
from tidegate.domain.service import Role


def reference_faults(
    settings: Settings, environment: EnvironmentSettings, services: Services, parts: Mapping[str, Part]
) -> Iterator[str]:
    """What tidegate.yaml names must be there, and a route's service must be an app's."""

    def unknown(name: str, *path: str | int, key: bool = False) -> str:
        place = settings.place("environments", environment.name, *path, key=key)
        return f"{place}: no service {name!r} in the Compose files{suggestion(name, services)}"

    for index, route in enumerate(environment.routes):
        if route.service not in services:
            yield unknown(route.service, "routes", index, "service")
            continue
        role = override_of(services[route.service])
        if role in ("accessory", "job", "none"):
            place = settings.place("environments", environment.name, "routes", index, "service")
            yield f"{place}: {route.service} is routed, and x-tidegate gives it the role {role}, expected app"
    if environment.migrate is not None and environment.migrate not in services:
        yield unknown(environment.migrate, "migrate")
    if environment.migrate in {route.service for route in environment.routes}:
        place = settings.place("environments", environment.name, "migrate")
        yield f"{place}: {environment.migrate} is routed too, expected a service that runs to its end"
    for name in environment.replicas:
        if name not in services:
            yield unknown(name, "replicas", name, key=True)
        elif parts[name].role is not Role.APP:
            place = settings.place("environments", environment.name, "replicas", name, key=True)
            yield f"{place}: {name} is no app service ({parts[name].role}: {parts[name].why}), and runs once"


def service_faults(service: Mapping[str, Any], role: Role) -> Iterator[str]:
    """Faults of one service in normal form, each beginning with the key."""
    if service.get("x-tidegate") is not None and (fault := role_fault(override_of(service))):
        yield f"x-tidegate.{fault}"
    yield from _refused(service, SERVICE)
    for key, value in service.items():
        for path, reason in refusals(key, value):
            yield f"{'.'.join(map(str, (key, *path)))}: {reason}"
    if role is Role.APP and service.get("hostname"):
        yield "hostname: it would mean every release's containers at once; leave it out"
    for index, mount in enumerate(service.get("volumes") or ()):
        source = str(mount.get("source") or "") if isinstance(mount, dict) and mount.get("type") == "bind" else "/"
        if not source.startswith("/"):
            yield (
                f"volumes.{index}: {found(source)} is a file or folder of the checkout, which is not there where the "
                "container runs; copy it into the image, or use a named volume (a laptop's own mounts fit into "
                "compose.override.yaml)"
            )
    scale = written_replicas(service)
    if role is Role.APP and scale < 1:
        yield f"scale: {found(scale)}, expected at least 1 replica"


def volume_faults(normal: Mapping[str, Any]) -> Iterator[str]:
    """Volumes that Tidegate cannot make."""
    volumes = {"volumes": normal.get("volumes") or {}}
    yield from _refused(volumes, PROJECT)


def _refused(value: Any, shape: Shape, way: str = "") -> Iterator[str]:
    """Keys in normal form that cannot be honoured; empty ones ask for nothing."""
    for key, child in value.items() if isinstance(value, Mapping) else ():
        if child in (None, [], {}, False):
            continue
        if key in shape.refused:
            yield f"{way}{key}: it cannot be honoured: {shape.refused[key]}"
        below = (shape.keys or {}).get(key, shape.values)
        if below is not None and key not in shape.refused:
            yield from _refused(child, below, f"{way}{key}.")
