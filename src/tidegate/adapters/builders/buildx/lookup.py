"""What is there already: in the engine's image store, and in the registry.

The registry is asked through the engine, which is also who pushes and pulls: so all three see it with the
same eyes (certificates, proxies, registries without TLS). Where the engine's socket is not at hand,
`docker` and buildx are asked instead.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidegate.adapters.builders.buildx.credentials import Credentials
from tidegate.adapters.builders.buildx.engine import get, socket_path
from tidegate.adapters.builders.buildx.keyring import TOKEN_USER
from tidegate.adapters.builders.buildx.program import Silent, ask, buildx, docker, minimal
from tidegate.errors import EngineRefused, EngineUnavailable, RegistryUnavailable

if TYPE_CHECKING:
    from tidegate.ports.target import RegistryAuth

_REFERENCE = re.compile(r"[A-Za-z0-9][\w./:@-]*", re.ASCII)
_ENGINE_WITHIN = 10.0  # seconds


def content_id(name: str, environ: Mapping[str, str]) -> str | None:
    """The content id `sha256:…` of an image that the engine has; None when it has none of that name.

    Raises `EngineUnavailable`, `EngineRefused`, `ToolMissing`.
    """
    path = socket_path(environ)
    try:
        return _id_from_docker(_checked(name), environ) if path is None else _id_from_engine(_checked(name), path)
    except Silent as error:
        raise EngineUnavailable(f"The container engine did not answer within {_ENGINE_WITHIN:g} s.") from error


def registry_digest(tag: str, credentials: Credentials, environ: Mapping[str, str], *, within: float) -> str | None:
    """The digest `sha256:…` that `tag` has in its registry; None when the registry has no such image.

    Raises `RegistryRefused`, `RegistryUnavailable` (also after `within` seconds), `EngineUnavailable`, `ToolMissing`.
    """
    path = socket_path(environ)
    try:
        if path is None:
            return _digest_from_buildx(_checked(tag), credentials, environ, within)
        return _digest_from_engine(_checked(tag), credentials, path, within)
    except Silent as error:
        raise RegistryUnavailable(f"The registry of {tag} did not answer within {within:g} s.") from error


def _id_from_engine(name: str, path: str) -> str | None:
    reply = get(path, f"/images/{name}/json", within=_ENGINE_WITHIN)
    if reply.status == 200:
        return str(reply.body["Id"])
    if reply.status == 404:
        return None
    details = _clean(str(reply.body.get("message", "")))
    raise EngineRefused(f"The container engine did not look up {name}.", details=details)


def _id_from_docker(name: str, environ: Mapping[str, str]) -> str | None:
    command = [docker(environ), "image", "inspect", "--format", "{{.Id}}", name]
    answer = ask(command, environment=minimal(environ), within=_ENGINE_WITHIN)
    if answer.status == 0:
        return answer.output.strip()
    if "no such image" in answer.errors.lower():
        return None
    raise EngineUnavailable("The container engine does not answer.", details=_clean(answer.errors))


def _digest_from_engine(tag: str, credentials: Credentials, path: str, within: float) -> str | None:
    auth = credentials.of(tag)
    headers = {"X-Registry-Auth": _header(auth)} if auth else {}
    reply = get(path, f"/distribution/{tag}/json", within=within, headers=headers)
    if reply.status == 200:
        return str(reply.body["Descriptor"]["digest"])
    if reply.status != 404:
        _refuse_unless_absent(tag, str(reply.body.get("message", "")))
    return None


def _digest_from_buildx(tag: str, credentials: Credentials, environ: Mapping[str, str], within: float) -> str | None:
    command = [*buildx(environ), "imagetools", "inspect", "--format", "{{json .Manifest}}", tag]
    with credentials.for_docker([tag]) as variables:
        answer = ask(command, environment=minimal(environ) | variables, within=within)
    if answer.status == 0:
        return str(json.loads(answer.output)["digest"])
    _refuse_unless_absent(tag, answer.errors)
    return None


def _header(auth: RegistryAuth) -> str:
    known = {"username": auth.username, "password": auth.password}
    if auth.username == TOKEN_USER:
        known = {"identitytoken": auth.password}
    return base64.urlsafe_b64encode(json.dumps({**known, "serveraddress": auth.registry}).encode()).decode()


def _refuse_unless_absent(tag: str, errors: str) -> None:
    """Raise the error that a failed look-up is, unless it is that the registry has no such image."""
    from tidegate.adapters.builders.buildx.output import lookup_failure

    failure = lookup_failure(tag, errors)
    if failure is not None:
        raise failure


def _clean(errors: str) -> list[str]:
    from tidegate.adapters.builders.buildx.output import clean

    return [clean(line) for line in errors.splitlines()[-5:]]


def _checked(name: str) -> str:
    # Whatever else a name held would be read as another resource, or as an option.
    if not _REFERENCE.fullmatch(name):
        raise EngineRefused(f"{name!r} cannot be the name of an image.")
    return name
