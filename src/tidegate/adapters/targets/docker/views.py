"""The engine's answers as what the planner looks at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.adapters.targets.docker import labels
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Accessory, Phase, Replica
from tidegate.domain.service import Role

Container = Mapping[str, Any]  # what "inspect a container" answers


def labels_of(container: Container) -> Mapping[str, str]:
    """A container's labels."""
    return container["Config"]["Labels"] or {}


def name_of(container: Container) -> str:
    """A container's name."""
    return str(container["Name"]).removeprefix("/")


def phase_of(container: Container) -> Phase:
    """What it is doing."""
    return Phase(container["State"]["Status"])


def health_of(container: Container) -> str | None:
    """What its own health check says; None where it has none."""
    health = (container["State"].get("Health") or {}).get("Status")
    return None if health in (None, "", "none") else str(health)


def is_replica(container: Container) -> bool:
    """Whether it is an app service's container, of any environment."""
    return labels_of(container).get(labels.ROLE) == Role.APP


def is_accessory(container: Container) -> bool:
    """Whether it is an accessory's container."""
    return labels_of(container).get(labels.ROLE) == Role.ACCESSORY


def replica(environment: EnvironmentName, container: Container) -> Replica:
    """A replica. Its address is empty once it was taken out of the environment's network."""
    own, state = labels_of(container), container["State"]
    endpoint = container["NetworkSettings"]["Networks"].get(environment.slug) or {}
    return Replica(
        release=int(own[labels.RELEASE]),
        service=own[labels.SERVICE],
        index=int(own[labels.REPLICA]),
        id=container["Id"],
        start=state["StartedAt"],
        phase=phase_of(container),
        # A container that does not run keeps the address it was promised.
        address=endpoint.get("IPAddress") or (endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "",
        restarts=(container["HostConfig"]["RestartPolicy"] or {}).get("Name") not in (None, "", "no"),
        fingerprint=own.get(labels.FINGERPRINT, ""),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state["OOMKilled"]),
    )


def accessory(container: Container) -> Accessory:
    """An accessory."""
    own, phase = labels_of(container), phase_of(container)
    return Accessory(
        service=own[labels.SERVICE],
        id=container["Id"],
        phase=phase,
        healthy=phase is Phase.RUNNING and health_of(container) in (None, "healthy"),
        fingerprint=own.get(labels.FINGERPRINT, ""),
    )
