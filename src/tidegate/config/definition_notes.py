"""What people should know of a definition that is valid: what is decided otherwise than the files say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.config.builds import ignored_keys
from tidegate.config.roles import Part, Services
from tidegate.config.settings import EnvironmentSettings
from tidegate.domain.service import Role


def notes(
    environment: EnvironmentSettings, normal: Mapping[str, Any], services: Services, parts: Mapping[str, Part]
) -> Iterator[str]:
    """What is decided otherwise than the files say, and what looks like a slip."""
    for name, part in parts.items():
        service = services[name]
        if part.role is Role.NONE:
            continue
        if service.get("ports"):
            yield f"{name}: ports: are for docker compose up; here only the router publishes ports"
        if service.get("container_name"):
            yield f"{name}: container_name: is not used; containers are named after environment and release"
        for key in ignored_keys(service):
            yield f"{name}: build.{key}: is not used; Tidegate keeps its own layer cache and names"
        if part.role is not Role.APP and written_replicas(service) != 1:
            yield f"{name}: it runs once, whatever scale: says ({part.role})"
    for route in environment.routes:
        ports = _container_ports(services.get(route.service, {}))
        if ports and route.port not in ports:
            listed = ", ".join(map(str, sorted(ports)))
            yield f"{route.service}: routed to port {route.port}, while the Compose files say {listed}"
    project = normal.get("name")
    for key, volume in (normal.get("volumes") or {}).items():
        named = (volume or {}).get("name")
        if named not in (None, f"{project}_{key}"):
            yield f"volume {key}: its name {named!r} is not used; volumes are named after their environment"
    if not environment.routes:
        yield "no routes: nothing of it can be reached through the router"
    if environment.migrate:
        yield f"{environment.migrate}: migrations are not run by this version; run it by hand before a deployment"


def _container_ports(service: Mapping[str, Any]) -> set[int]:
    """The ports that the files say the service listens on."""
    targets = [port.get("target") for port in service.get("ports") or () if isinstance(port, dict)]
    return {int(port) for port in (*targets, *(service.get("expose") or ())) if str(port).isdigit()}


def written_replicas(service: Mapping[str, Any]) -> int:
    """How many containers the Compose files ask for."""
    for count in (service.get("scale"), (service.get("deploy") or {}).get("replicas")):
        if count is not None:
            return int(count)
    return 1
