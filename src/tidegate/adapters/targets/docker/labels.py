"""The labels that say what a container, network or volume is: the truth that survives every process of ours.

Pure. Names can collide (`a-b` + `c` and `a` + `b-c` have one slug); labels cannot, so labels decide what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.domain.service import Role, Service

PREFIX = "tidegate."
APP = "tidegate.app"
ENVIRONMENT = "tidegate.environment"
RELEASE = "tidegate.release"
SERVICE = "tidegate.service"
REPLICA = "tidegate.replica"
FINGERPRINT = "tidegate.fingerprint"
ROLE = "tidegate.role"

NETWORK = "network"  # further values of ROLE beside the services' roles
VOLUME = "volume"

Labels = dict[str, str]


def of_environment(environment: EnvironmentName, role: str) -> Labels:
    """What everything of an environment bears."""
    return {APP: environment.app, ENVIRONMENT: environment.environment, ROLE: role}


def of_replica(release: Release, place: ReplicaPlace) -> Labels:
    """A replica's labels."""
    return of_environment(release.environment, Role.APP) | {
        RELEASE: str(release.number),
        SERVICE: place.service.name,
        REPLICA: str(place.index),
        FINGERPRINT: place.service.fingerprint,
    }


def of_accessory(environment: EnvironmentName, service: Service) -> Labels:
    """An accessory's labels."""
    return of_environment(environment, Role.ACCESSORY) | {SERVICE: service.name, FINGERPRINT: service.fingerprint}


def of_network(environment: EnvironmentName, release: int | None = None) -> Labels:
    """The labels of the environment's network, or of a release's."""
    own = of_environment(environment, NETWORK)
    return own if release is None else own | {RELEASE: str(release)}


def filters(environment: EnvironmentName | None = None, **others: Any) -> dict[str, Any]:
    """The engine's filter for what is ours, or an environment's. Exact: values are compared whole."""
    if environment is None:
        return {"label": [APP], **others}
    return {"label": [f"{APP}={environment.app}", f"{ENVIRONMENT}={environment.environment}"], **others}


def environment_in(labels: Mapping[str, str] | None) -> EnvironmentName | None:
    """Whose these labels are; None when they are nobody's."""
    try:
        return EnvironmentName((labels or {})[APP], (labels or {})[ENVIRONMENT])
    except (KeyError, ValueError):
        return None


def same_thing(found: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether something found is what `wanted` names, whatever it was made from."""
    names = (APP, ENVIRONMENT, ROLE, RELEASE, SERVICE, REPLICA)
    return all((found or {}).get(name) == wanted.get(name) for name in names)
