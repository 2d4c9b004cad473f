"""The connection to one engine: made when first needed, shared by all threads, checked once for its version.

It takes the engine that `DOCKER_HOST` names (`unix://`, `tcp://` with `DOCKER_CERT_PATH`, `ssh://`), else the
default socket.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tidegate.adapters.targets.docker.failures import explanation
from tidegate.errors import EngineTooOld, EngineUnavailable

if TYPE_CHECKING:
    from docker import APIClient

OLDEST_API = (1, 43)  # Engine 24
TIMEOUT = 60  # seconds for one answer; streams have none
CONNECTIONS = 64  # kept open at most; more are made and closed again


class Connection:
    """Hands out the client. Safe for threads."""

    def __init__(self, client: APIClient | None = None) -> None:
        self._lock = threading.Lock()
        self._client = client

    def __call__(self) -> APIClient:
        """The client. Raises `EngineUnavailable`, `EngineTooOld`."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = _connect()
        return self._client

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine, so that this machine's routes are its routes."""
        return self().base_url.startswith("http+docker")


def _connect() -> APIClient:
    import docker
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    try:
        client = docker.APIClient(
            version="auto", timeout=TIMEOUT, max_pool_size=CONNECTIONS, use_ssh_client=True, **kwargs_from_env()
        )
    except (DockerException, OSError) as error:
        raise EngineUnavailable(f"Docker cannot be reached: {explanation(error)}") from error
    if client.base_url.startswith("http+docker"):
        client.trust_env = False  # a unix socket has no proxy, and looking for one takes a fifth of each call
    if _numbers(client.api_version) < OLDEST_API:
        wanted = ".".join(map(str, OLDEST_API))
        client.close()
        raise EngineTooOld(f"Docker's API is {client.api_version}; Tidegate needs {wanted} or newer.")
    return client


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
