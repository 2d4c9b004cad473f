"""Each target with what the suite needs around it: an image, a way to end containers, and cleaning up."""

from __future__ import annotations

import os
from typing import Any, Protocol

import docker
from tests.doubles.target import FakeTarget

from tidegate.adapters.targets.docker import DockerTarget
from tidegate.domain.names import EnvironmentName
from tidegate.ports.target import Target

IMAGE = os.environ.get("TIDEGATE_TEST_IMAGE", "local/python:3.11")


class Rig(Protocol):
    target: Target
    image: str

    def end(self, container: str) -> None: ...

    def occupy_container(self, name: str) -> None: ...

    def occupy_network(self, name: str) -> None: ...

    def close(self, environments: list[EnvironmentName]) -> None: ...


class FakeRig:
    def __init__(self) -> None:
        self.fake = FakeTarget()
        self.target: Target = self.fake
        self.image = "sha256:1"
        self.fake.missing_images.add("sha256:" + "0" * 64)

    def end(self, container: str) -> None:
        self.fake.end(container)

    def occupy_container(self, name: str) -> None:
        self.fake.foreign.add(name)

    def occupy_network(self, name: str) -> None:
        self.fake.foreign.add(name)

    def close(self, environments: list[EnvironmentName]) -> None:
        pass


class DockerRig:
    def __init__(self) -> None:
        self.client: Any = docker.APIClient(version="auto")
        self.target: Target = DockerTarget()
        self.image = self.client.inspect_image(IMAGE)["Id"]
        self._containers: list[str] = []
        self._networks: list[str] = []

    def end(self, container: str) -> None:
        self.client.kill(container)

    def occupy_container(self, name: str) -> None:
        self._containers.append(self.client.create_container(self.image, "true", name=name)["Id"])

    def occupy_network(self, name: str) -> None:
        pool = docker.types.IPAMPool(subnet="10.212.250.0/28")
        ipam = docker.types.IPAMConfig(pool_configs=[pool])
        self._networks.append(self.client.create_network(name, ipam=ipam)["Id"])

    def close(self, environments: list[EnvironmentName]) -> None:
        for environment in environments:
            for replica in self.target.observe(environment).replicas:
                self.client.remove_container(replica.id, force=True, v=True)
            self.target.remove_environment(environment, volumes=True)
        for container in self._containers:
            self.client.remove_container(container, force=True)
        for network in self._networks:
            self.client.remove_network(network)
        self.client.close()
