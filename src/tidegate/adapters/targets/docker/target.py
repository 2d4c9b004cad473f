"""`DockerTarget`: the target port on one Docker Engine.

It says in which order the engine is asked for what; how is told by the modules beside it. It keeps no state:
what is there is always read from the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cached_property
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from tidegate.adapters.targets.docker import events, labels, logs, views
from tidegate.adapters.targets.docker.connection import Connection
from tidegate.adapters.targets.docker.containers import Containers
from tidegate.adapters.targets.docker.failures import mapped
from tidegate.adapters.targets.docker.images import Images
from tidegate.adapters.targets.docker.networks import Networks, subnet_of
from tidegate.adapters.targets.docker.translation import Blueprint, blueprint
from tidegate.domain.action import ReplicaPlace
from tidegate.domain.names import EnvironmentName, accessory_name, release_network, replica_name
from tidegate.domain.observation import Replica
from tidegate.domain.release import Release
from tidegate.domain.service import Service
from tidegate.errors import NameTaken
from tidegate.ports.target import RegistryAuth, ReplicaEvent, TargetView

if TYPE_CHECKING:
    from docker import APIClient

POOL = "10.213.0.0/16"
RESTARTING = {"Name": "unless-stopped"}
STAYING_DOWN = {"Name": "no"}
AT_ONCE = 8  # containers that are removed side by side


class DockerTarget:
    """Implements `tidegate.ports.target.Target`. `pool` is where subnets of networks come from.

    Without a `client` it connects by the environment (`DOCKER_HOST`) when it is first asked for something.
    """

    def __init__(self, client: APIClient | None = None, *, pool: str = POOL) -> None:
        self._connection = Connection(client)
        self._containers = Containers(self._connection)
        self._networks = Networks(self._connection, IPv4Network(pool))
        self._images = Images(self._connection)

    # --- what is there -----------------------------------------------------------------------------

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        with mapped("describe itself"):
            return self._connection().info()

    def identity(self) -> str:
        """The engine's own id, the same for everyone who reaches it."""
        return str(self._info["ID"])

    def describe(self) -> dict[str, object]:
        """For people: `product`, `version`, `api`."""
        return {
            "product": "Docker Engine",
            "version": self._info["ServerVersion"],
            "api": self._connection().api_version,
        }

    def environments(self) -> frozenset[EnvironmentName]:
        """Environments that have a container or a network."""
        with mapped("list what is there"):
            client, mine = self._connection(), labels.filters()
            found = [*client.containers(all=True, filters=mine), *client.networks(filters=mine)]
        owners = (labels.environment_in(thing["Labels"]) for thing in found)
        return frozenset(owner for owner in owners if owner is not None)

    def observe(self, environment: EnvironmentName) -> TargetView:
        """Everything of one environment: two lists and an inspection a container."""
        containers = self._containers.of(environment)
        networks = self._networks.of(environment)
        return TargetView(
            network=next((subnet_of(n) for n in networks if labels.RELEASE not in n["Labels"]), None),
            release_networks=frozenset(
                int(n["Labels"][labels.RELEASE]) for n in networks if labels.RELEASE in n["Labels"]
            ),
            replicas=tuple(sorted(views.replica(environment, c) for c in containers if views.is_replica(c))),
            accessories=tuple(sorted(views.accessory(c) for c in containers if views.is_accessory(c))),
        )

    def inspect(self, environment: EnvironmentName, replica: Replica) -> Replica | None:
        """The replica as it is now; None when it is gone."""
        found = self._containers.inspect(replica.id)
        return None if found is None else views.replica(environment, found)

    def container_health(self, replica: Replica) -> str | None:
        """What the container's own health check says; None where there is none."""
        found = self._containers.inspect(replica.id)
        return None if found is None else views.health_of(found)

    def containers(self, environment: EnvironmentName) -> Mapping[str, str]:
        """Container ids by name."""
        with mapped(f"list {environment}'s containers"):
            listed = self._connection().containers(all=True, filters=labels.filters(environment))
        return {container["Names"][0].removeprefix("/"): container["Id"] for container in listed}

    def volumes(self, environment: EnvironmentName) -> tuple[str, ...]:
        """Names of the environment's volumes, sorted."""
        with mapped(f"list {environment}'s volumes"):
            listed = self._connection().volumes(filters=labels.filters(environment))["Volumes"]
        return tuple(sorted(volume["Name"] for volume in listed or ()))

    def logs(self, container: str, *, tail: int, follow: bool) -> Iterator[str]:
        """Lines of a container's output, oldest first; close the iterator to stop following."""
        return logs.of_container(self._connection, container, tail=tail, follow=follow)

    def events(self) -> AbstractContextManager[Iterator[ReplicaEvent | None]]:
        """Events of all environments' replicas from now on; None twice a second when nothing happens."""
        return events.follow(self._connection, self._containers)

    # --- making ------------------------------------------------------------------------------------

    def ensure_image(self, image: str, auth: RegistryAuth | None = None) -> None:
        """Have an image in the engine. Raises `ImageMissing`, `RegistryRefused`, `RegistryUnavailable`."""
        self._images.ensure(image, auth)

    def ensure_network(self, environment: EnvironmentName) -> None:
        """Make the environment's network. Raises `NoSubnet`, `NameTaken`."""
        self._networks.ensure_environment(environment)

    def ensure_release_network(self, release: Release) -> None:
        """Make the release's network. Raises `NoSubnet`, `NameTaken`."""
        self._networks.ensure_release(release)

    def start_accessory(self, environment: EnvironmentName, service: Service) -> None:
        """Run an accessory; one that is made from something else is stopped and replaced. Its volumes stay.

        Raises `ImageMissing`, `NameTaken`, `InvalidConfiguration`.
        """
        self.ensure_image(service.image)
        plan = blueprint(environment, service, self._images.declared_volumes(service.image))
        self._make_volumes(environment, plan)
        self._containers.run(
            accessory_name(environment, service.name),
            labels.of_accessory(environment, service),
            _joined(plan, environment, {"Aliases": list(plan.names)}, RESTARTING),
        )

    def start_replica(self, release: Release, place: ReplicaPlace) -> Replica:
        """Run one replica at its address, restarts disabled.

        The second network is joined before the start: engines before 25 take only one at creation, and joining
        costs no more than naming both. Raises `ImageMissing`, `NameTaken`, `InvalidConfiguration`.
        """
        environment, service = release.environment, place.service
        plan = blueprint(environment, service)
        self._make_volumes(environment, plan)
        joins = (release_network(environment, release.number), plan.names) if release.needs_network else None
        found = self._containers.run(
            replica_name(environment, release.number, service.name, place.index),
            labels.of_replica(release, place),
            _told(
                _joined(plan, environment, {"IPAMConfig": {"IPv4Address": place.address}}, STAYING_DOWN),
                TIDEGATE_APP=environment.app,
                TIDEGATE_ENVIRONMENT=environment.environment,
                TIDEGATE_RELEASE=str(release),
            ),
            joins,
        )
        return views.replica(environment, found)

    def set_restarts(self, replica: Replica, restarts: bool) -> None:
        """Say whether the engine brings the replica back after a failure or a reboot."""
        with mapped(f"change the restarts of {replica.service}-{replica.index}"):
            policy: Any = RESTARTING if restarts else STAYING_DOWN
            self._connection().update_container(replica.id, restart_policy=policy)

    def _make_volumes(self, environment: EnvironmentName, plan: Blueprint) -> None:
        own = labels.of_environment(environment, labels.VOLUME)
        for name in plan.volumes:
            with mapped(f"create the volume {name}"):
                made = self._connection().create_volume(name, labels=own)
            if not labels.same_thing(made["Labels"], own):
                raise NameTaken(
                    f"The volume {name} is not this environment's.",
                    hint="Rename the volume in the Compose file, or the app or the environment.",
                )

    # --- removing ----------------------------------------------------------------------------------

    def remove_replica(self, replica: Replica, grace: float | None = None) -> None:
        """Stop it by its signal within its own grace, or `grace` in seconds, and remove it."""
        self._containers.remove(replica.id, grace, anonymous_volumes=True)

    def remove_release_network(self, environment: EnvironmentName, release: int) -> None:
        """Remove a release's network; one that is gone is fine."""
        for network in self._networks.of(environment):
            if network["Labels"].get(labels.RELEASE) == str(release):
                self._networks.remove(network["Id"])

    def remove_environment(self, environment: EnvironmentName, *, volumes: bool) -> None:
        """Remove everything that bears the environment's labels; volumes only when asked to."""
        containers = self._containers.of(environment)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="remove") as pool:
            for _ in pool.map(lambda c: self._containers.remove(c["Id"], anonymous_volumes=volumes), containers):
                pass
        for network in self._networks.of(environment):
            self._networks.remove(network["Id"])
        if volumes:
            for name in self.volumes(environment):
                with mapped(f"remove the volume {name}"):
                    self._connection().remove_volume(name)


def _told(body: dict[str, Any], **variables: str) -> dict[str, Any]:
    """A container's body with variables that say where it runs; the service's own come after and win."""
    return {**body, "Env": [*(f"{name}={value}" for name, value in variables.items()), *body.get("Env", ())]}


def _joined(
    plan: Blueprint, environment: EnvironmentName, endpoint: dict[str, Any], restart_policy: dict[str, str]
) -> dict[str, Any]:
    """A container's body, in the environment's network."""
    host = {**plan.body["HostConfig"], "NetworkMode": environment.slug, "RestartPolicy": restart_policy}
    return {
        **plan.body,
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {environment.slug: endpoint}},
    }
