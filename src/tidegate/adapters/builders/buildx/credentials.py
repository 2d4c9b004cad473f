"""Credentials for the registry: the ones in the environment, else Docker's own.

A password is only ever in memory, in the environment it came from, and, while docker runs, in a file that
nobody but the caller may read. It is in no argument, no line and no error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.adapters.builders.buildx.keyring import credentials_for, merged, registry_host, stored
from tidegate.adapters.builders.buildx.program import docker_folder, read_config
from tidegate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from tidegate.ports.target import RegistryAuth

USERNAME = "TIDEGATE_REGISTRY_USERNAME"
PASSWORD = "TIDEGATE_REGISTRY_PASSWORD"  # noqa: S105


def find_credentials(registry: str, environ: Mapping[str, str] | None = None) -> RegistryAuth | None:
    """The credentials for `registry` (`registry.example.com/shop`), None when there are none.

    An identity token comes with the user name `<token>`, as Docker's helpers give it. Raises
    `InvalidConfiguration`, `RegistryRefused` when Docker's helper fails, `ToolMissing` when it is not there.
    """
    return Credentials(registry, os.environ if environ is None else environ).of(registry)


class Credentials:
    """Who Tidegate is at registries. The environment's credentials are for the registry of `registry` alone."""

    def __init__(self, registry: str | None, environ: Mapping[str, str]) -> None:
        self._host = registry_host(registry) if registry else None
        self._environ = environ

    def of(self, name: str) -> RegistryAuth | None:
        """The credentials for the registry that an image's name points to. Raises as `find_credentials`."""
        host = registry_host(name)
        return self._given([name]) or stored(host, self._environ)

    @contextmanager
    def for_docker(self, names: Sequence[str]) -> Iterator[dict[str, str]]:
        """The variables that have docker use the right credentials for images of these names."""
        auth = self._given(names)
        if auth is None:
            yield {}
            return
        from tempfile import TemporaryDirectory

        own = docker_folder(self._environ).absolute()
        runtime = self._environ.get("XDG_RUNTIME_DIR")  # it is in memory, where there is one
        place = runtime if runtime and os.access(runtime, os.W_OK) else None
        with TemporaryDirectory(prefix="tidegate-registry-", dir=place) as folder:  # mode 0700
            _furnish(Path(folder), own, auth)
            yield {"DOCKER_CONFIG": folder, "BUILDX_CONFIG": self._environ.get("BUILDX_CONFIG") or str(own / "buildx")}

    def _given(self, names: Sequence[str]) -> RegistryAuth | None:
        username, password = self._environ.get(USERNAME, ""), self._environ.get(PASSWORD, "")
        if self._host is None or not all(registry_host(name) == self._host for name in names):
            return None
        if bool(username) != bool(password):
            message = f"{PASSWORD if username else USERNAME} is not set."
            raise InvalidConfiguration(message, hint=f"Set both {USERNAME} and {PASSWORD}, or neither.")
        return credentials_for(self._host, username, password) if username else None


def _furnish(folder: Path, own: Path, auth: RegistryAuth) -> None:
    """Make `folder` Docker's settings: the user's `own`, with `auth` added."""
    for entry in own.iterdir() if own.is_dir() else ():
        if entry.name != "config.json":  # plugins, contexts, buildx's builders
            (folder / entry.name).symlink_to(entry)
    file = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as config:
        json.dump(merged(read_config(own), auth), config)
