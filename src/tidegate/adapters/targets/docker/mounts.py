"""A service's volumes, binds and tmpfs mounts as the engine's mounts. Pure.

Volumes belong to the environment, never to a release: each bears the environment's name. What an accessory
keeps in a volume without a name of its own would be lost with its container, so there it gets one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tidegate.adapters.targets.docker.units import size
from tidegate.domain.names import EnvironmentName
from tidegate.domain.service import Role, Service

Mount = dict[str, Any]

_KNOWN: Mapping[str, frozenset[str]] = {
    "volume": frozenset({"nocopy"}),
    "bind": frozenset({"create_host_path", "propagation"}),
    "tmpfs": frozenset({"size", "mode"}),
}


def volume_name(environment: EnvironmentName, volume: str) -> str:
    """A named volume's name in the engine: `shop-staging_data`."""
    return f"{environment.slug}_{volume}"


def mounts(
    environment: EnvironmentName, service: Service, entries: Any, declared: Collection[str] = ()
) -> Iterator[Mount]:
    """Mounts for `volumes:` entries, and for the paths that an accessory's image declares as volumes.

    Raises ValueError, naming what cannot be honoured.
    """
    if isinstance(entries, (str, Mapping)):
        raise ValueError("expected a list")
    targets = set()
    for entry in entries or ():
        if not isinstance(entry, Mapping):
            raise ValueError(f"{entry!r} is not in the long form")
        mount = _mount(environment, service, entry)
        targets.add(str(mount["Target"]).rstrip("/"))
        yield mount
    if service.role is Role.ACCESSORY:
        for path in sorted(declared):
            if path.rstrip("/") not in targets:
                yield _volume(environment, service, {"type": "volume", "target": path})


def _mount(environment: EnvironmentName, service: Service, entry: Mapping[str, Any]) -> Mount:
    kind = str(entry.get("type"))
    if kind not in _KNOWN:
        raise ValueError(f"a mount of type {kind} is not supported")
    if not entry.get("target"):
        raise ValueError("a mount without a target")
    # `consistency` is a hint for other systems, of which the engine here takes no notice either.
    for other in entry.keys() - {"type", "source", "target", "read_only", "consistency", kind}:
        raise ValueError(f"{other} is not supported")
    options = entry.get(kind) or {}
    for option in options.keys() - _KNOWN[kind]:
        raise ValueError(f"{kind}.{option} is not supported")
    return {"volume": _volume, "bind": _bind, "tmpfs": _tmpfs}[kind](environment, service, entry)


def _volume(environment: EnvironmentName, service: Service, entry: Mapping[str, Any]) -> Mount:
    mount = _common(entry)
    source = entry.get("source")
    if source:
        mount["Source"] = volume_name(environment, str(source))
    elif service.role is Role.ACCESSORY:
        mark = hashlib.sha256(str(entry["target"]).encode()).hexdigest()[:12]
        mount["Source"] = volume_name(environment, f"{service.name}-{mark}")
    if (entry.get("volume") or {}).get("nocopy"):
        mount["VolumeOptions"] = {"NoCopy": True}
    return mount


def _bind(environment: EnvironmentName, service: Service, entry: Mapping[str, Any]) -> Mount:
    source = str(entry.get("source") or "")
    if not source.startswith("/"):
        raise ValueError(f"the path {source!r} is not absolute")
    options = entry.get("bind") or {}
    bind: dict[str, Any] = {}
    if options.get("propagation"):
        bind["Propagation"] = options["propagation"]
    if options.get("create_host_path"):
        bind["CreateMountpoint"] = True
    return {**_common(entry), "Source": source, **({"BindOptions": bind} if bind else {})}


def _tmpfs(environment: EnvironmentName, service: Service, entry: Mapping[str, Any]) -> Mount:
    options = entry.get("tmpfs") or {}
    tmpfs: dict[str, int] = {}
    if options.get("size"):
        tmpfs["SizeBytes"] = size(options["size"])
    if options.get("mode") is not None:
        tmpfs["Mode"] = int(options["mode"])
    return {**_common(entry), **({"TmpfsOptions": tmpfs} if tmpfs else {})}


def _common(entry: Mapping[str, Any]) -> Mount:
    return {"Type": entry["type"], "Target": str(entry["target"]), "ReadOnly": bool(entry.get("read_only"))}
