"""The normal form from `docker compose config`.

The command sees the named files and the given variables and nothing else: no compose.override.yaml, no .env, no
variable of the shell, no file from another place on the network. It is read as YAML, since the JSON of some
Compose versions leaves out the `x-` keys of services.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.errors import InvalidConfiguration, ToolMissing

TIMEOUT = 60.0  # seconds; it takes about 0.1
_PROJECT = "tidegate"
_UNSET = re.compile(r'The \\?"(?P<name>[^"\\]+)\\?" variable is not set')
_LOG = re.compile(r'time="[^"]*" level=(?P<level>\w+) msg="(?P<text>(?:[^"\\]|\\.)*)"')


class ComposeCli:
    """Asks the `docker` on the PATH, with the Docker configuration of the user."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def normalize(self, directory: Path, files: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
        """See the port."""
        docker = shutil.which("docker", path=self._environ.get("PATH"))
        if docker is None:
            raise ToolMissing("docker is not installed.", hint="Install Docker Engine 24 or newer with Compose 2.")
        directory = directory.absolute()
        command = [docker, "compose", "--project-name", _PROJECT, "--env-file", os.devnull, "--profile", "*"]
        for file in files:
            command += ["--file", str(directory / file)]
        command += ["config", "--no-path-resolution", "--format", "yaml"]
        try:
            done = subprocess.run(
                command,
                env=self._environment(variables),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InvalidConfiguration(f"docker compose config did not end within {TIMEOUT:.0f} s.") from error
        except OSError as error:
            raise ToolMissing(f"{docker} cannot be run: {error.strerror}.") from error
        complaints = done.stderr.decode(errors="replace")
        if done.returncode != 0:
            raise _refusal(complaints, directory, files)
        if unset := sorted(set(_UNSET.findall(complaints.replace('\\"', '"')))):
            raise _unset(unset, files)
        return _read(done.stdout)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables; beside them only what says where Docker's own configuration and plugins are."""
        own = self._environ.get("DOCKER_CONFIG")
        if own is None and "HOME" in self._environ:
            own = str(Path(self._environ["HOME"]) / ".docker")
        return {
            **variables,
            **({"DOCKER_CONFIG": own} if own else {}),
            "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
            "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
        }


def _read(output: bytes) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        normal = yaml.load(output, Loader=loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        raise InvalidConfiguration("docker compose config wrote what is not YAML.") from error
    if not isinstance(normal, dict):
        raise InvalidConfiguration("docker compose config wrote no project.")
    return normal


def _refusal(complaints: str, directory: Path, files: Sequence[str]) -> InvalidConfiguration | ToolMissing:
    if "is not a docker command" in complaints or "unknown flag" in complaints or "unknown shorthand" in complaints:
        return ToolMissing(
            "docker compose is not installed, or too old.",
            hint="Install the Compose plugin, 2.20 or newer (Debian: docker-compose; Docker: docker-compose-plugin).",
        )
    text = _LOG.sub("", complaints).replace(f"{directory}/", "").replace(str(directory), ".")
    details = [line.strip() for line in text.splitlines() if line.strip()]
    return InvalidConfiguration(f"docker compose cannot read {', '.join(files)}.", details=details)


def _unset(names: Sequence[str], files: Sequence[str]) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"{', '.join(files)}: variables without a value.",
        details=[
            f"${{{name}}} has no value, expected one under env: of the environment, or a default: ${{{name}:-}}"
            for name in names
        ],
        hint="The shell and .env are not read. A dollar sign that is meant as one is written $$.",
    )
