"""Docker's own store of credentials: its configuration file, and the helpers that this names.

Read only. The formats are those of `config.json` and of the docker-credential-helpers protocol.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.adapters.builders.buildx.program import Silent, ask, docker_folder, minimal, read_config
from tidegate.errors import InvalidConfiguration, RegistryRefused, ToolMissing

if TYPE_CHECKING:
    from tidegate.ports.target import RegistryAuth

TOKEN_USER = "<token>"  # noqa: S105  the user name that says: the password is an identity token
_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_PROGRAM = re.compile(r"[A-Za-z0-9_-]+")
_HELPER_WITHIN = 20.0  # seconds: some open a key ring first


def registry_host(name: str) -> str:
    """The host, and port, of the registry that an image's name or a repository's prefix points to."""
    first = name.partition("/")[0]
    if first != "localhost" and "." not in first and ":" not in first:
        return _HUB
    return _HUB if first in ("index.docker.io", "registry-1.docker.io") else first


def credentials_for(host: str, username: str, password: str) -> RegistryAuth:
    """Credentials for one registry."""
    # The port knows the whole domain, which a look-up without credentials need not import.
    from tidegate.ports.target import RegistryAuth

    return RegistryAuth(host, username, password)


def stored(host: str, environ: Mapping[str, str]) -> RegistryAuth | None:
    """The credentials that Docker has for a registry, None when it has none; an identity token is `TOKEN_USER`'s.

    Raises `InvalidConfiguration`, `RegistryRefused` when the helper fails, `ToolMissing` when it is not there.
    """
    config = read_config(docker_folder(environ))
    helpers = _table(config, "credHelpers")
    program = str(helpers.get(_key(host), config.get("credsStore")) or "")
    if program:
        return _from_helper(program, host, environ)
    for key, entry in _table(config, "auths").items():
        if _host_of(key) == host and isinstance(entry, Mapping):
            return _from_entry(entry, host)
    return None


def merged(config: Mapping[str, Any], auth: RegistryAuth) -> dict[str, Any]:
    """Docker's settings with `auth` in them."""
    key = _key(auth.registry)
    encoded = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    auths = {host: entry for host, entry in _table(config, "auths").items() if _host_of(host) != auth.registry}
    helpers = _table(config, "credHelpers")
    # A helper that is named for this registry or for all would be asked instead of the file; an empty name says no.
    if config.get("credsStore") or key in helpers:
        helpers = {**helpers, key: ""}
    return {**config, "auths": {**auths, key: {"auth": encoded}}, "credHelpers": helpers}


def _from_entry(entry: Mapping[str, Any], host: str) -> RegistryAuth | None:
    if entry.get("identitytoken"):
        return credentials_for(host, TOKEN_USER, str(entry["identitytoken"]))
    try:
        decoded = base64.b64decode(str(entry.get("auth", "")), validate=True).decode().rstrip("\0")
    except (binascii.Error, UnicodeDecodeError):
        return None
    username, colon, password = decoded.partition(":")
    return credentials_for(host, username, password) if colon else None


def _from_helper(program: str, host: str, environ: Mapping[str, str]) -> RegistryAuth | None:
    """Ask a helper: the registry's key on its input, JSON on its output."""
    if not _PROGRAM.fullmatch(program):
        raise InvalidConfiguration(f"{program[:60]!r} in Docker's config.json cannot be a credential helper.")
    name = f"docker-credential-{program}"
    try:
        answer = ask([name, "get"], environment=minimal(environ), within=_HELPER_WITHIN, given=_key(host))
        found = dict(json.loads(answer.output)) if answer.status == 0 else None
    except ToolMissing as error:
        hint = "Install it, or docker login again after taking it out of Docker's config.json."
        raise ToolMissing(f"Docker's config.json asks for {name}, which is not installed.", hint=hint) from error
    except (Silent, ValueError, TypeError) as error:
        raise RegistryRefused(f"{name} gave no credentials for {host}.") from error
    if found is not None:
        return credentials_for(host, str(found.get("Username", "")), str(found.get("Secret", "")))
    if "not found" in (answer.output + answer.errors).lower():
        return None
    raise RegistryRefused(f"{name} failed for {host}.")


def _key(host: str) -> str:
    return _HUB_KEY if host == _HUB else host


def _host_of(key: str) -> str:
    """The host of a key of `auths`, which may be an address with scheme and path."""
    return registry_host(key.removeprefix("https://").removeprefix("http://"))


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = config.get(name)
    return value if isinstance(value, Mapping) else {}
