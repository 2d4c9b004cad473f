"""What a service may not be, whatever key says it: the guards of the host and of the environment's network.

They take values as they stand in a Compose file or in its normal form, so the files' check (with places) and
the check of the normal form (after includes and variables) go by the same rules. Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidegate.config.compose_keys import NETWORK_REFUSED
from tidegate.config.words import found

_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock")
_SOCKET = "whoever holds the engine's socket owns the host"


def refusals(key: str, value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Why a service's `key: value` cannot be: (the way to the culprit below the key, reason)."""
    check = _CHECKS.get(key)
    if check is not None:
        yield from check(value)


def role_fault(value: Any) -> str | None:
    """Why `x-tidegate: {role: value}` cannot be."""
    roles = ("app", "accessory", "job", "none")
    return None if value in roles else f"role: {found(value)}, expected {', '.join(roles[:-1])} or {roles[-1]}"


def escapes(folder: str, path: str) -> bool:
    """Whether a relative `path`, seen from `folder`, leads out of the repository."""
    return posixpath.normpath(posixpath.join(folder, path)).split("/")[0] == ".."


_Faults = Iterator[tuple[tuple[str | int, ...], str]]


def _privileged(value: Any) -> _Faults:
    if value is True or str(value).lower() in ("true", "yes", "on"):
        yield (), "a privileged container owns the host; name what it needs with cap_add:"


def _namespace(value: Any) -> _Faults:
    text = str(value)
    if text == "host":
        yield (), "found 'host', expected a namespace of its own: the host's is not an application's"
    elif ":" in text and "$" not in text:
        yield (), f"{found(text)}, expected no other container's: it would be lost when that one is replaced"


def _networks(value: Any) -> _Faults:
    names = value if isinstance(value, (dict, list)) else ()
    for index, name in enumerate(names):
        step = name if isinstance(value, dict) else index
        if name != "default":
            yield (step,), f"{found(str(name))}, expected default: {NETWORK_REFUSED}"
        elif isinstance(value, dict) and value[name]:
            yield (step,), "options of the default network are not supported by this version"


def _volumes(value: Any) -> _Faults:
    for index, mount in enumerate(value if isinstance(value, list) else ()):
        if isinstance(mount, Mapping):
            source = str(mount.get("source") or "")
            kind = mount.get("type")
            if kind in ("cluster", "npipe", "image"):
                yield (index,), f"a mount of type {kind} is not supported"
        else:
            source = str(mount).split(":", 1)[0]
        if posixpath.basename(posixpath.normpath(source)) in _SOCKETS or source.rstrip("/") in ("/run", "/var/run"):
            yield (index,), f"{found(source)}: {_SOCKET}"


def _deploy(value: Any) -> _Faults:
    mode = value.get("mode") if isinstance(value, Mapping) else None
    if mode not in (None, "replicated") and "$" not in str(mode):
        yield ("mode",), f"{found(mode)}, expected 'replicated'"


def _image(value: Any) -> _Faults:
    if str(value).startswith("-"):
        yield (), f"{found(value)}, expected the name of an image"


_CHECKS: Mapping[str, Callable[[Any], _Faults]] = {
    "cgroup": _namespace,
    "deploy": _deploy,
    "image": _image,
    "ipc": _namespace,
    "networks": _networks,
    "pid": _namespace,
    "privileged": _privileged,
    "userns_mode": _namespace,
    "uts": _namespace,
    "volumes": _volumes,
}
