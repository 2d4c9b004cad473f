"""A service in Compose's normal form, as the body of the engine's "create a container". Pure.

Three kinds of keys: those with a counterpart in the engine (the tables), those that Tidegate decides itself
(`DECIDED`), and all others, which are refused by name: nothing a user wrote is silently dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.adapters.targets.docker.labels import PREFIX
from tidegate.adapters.targets.docker.mounts import mounts
from tidegate.adapters.targets.docker.units import (
    billionths,
    nanoseconds,
    size,
    string_map,
    strings,
    undollar,
    whole_seconds,
    words,
)
from tidegate.domain.names import EnvironmentName
from tidegate.domain.service import Role, Service
from tidegate.errors import InvalidConfiguration

Fragment = dict[str, Any]

# What Tidegate decides: the image is built and pinned by it, only the router publishes ports, the planner says
# when something starts, restarts and how often it is there; `env_file` is in `environment` already.
DECIDED = frozenset(
    {
        "attach",
        "build",
        "depends_on",
        "develop",
        "env_file",
        "expose",
        "image",
        "platform",
        "ports",
        "profiles",
        "pull_policy",
        "pull_refresh_after",
        "restart",
        "scale",
    }
)
LOG_ROTATION = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


@dataclass(frozen=True)
class Blueprint:
    """`body` is the engine's, less name, labels of ours, networks and restarts; `volumes` are to be made before.

    `names` are those by which others find it: the service's, and the `container_name` that it would have had, for
    containers bear names of ours.
    """

    body: Mapping[str, Any]
    volumes: tuple[str, ...]
    names: tuple[str, ...]


def blueprint(environment: EnvironmentName, service: Service, declared: Collection[str] = ()) -> Blueprint:
    """Translate one service. `declared` are the paths that its image declares as volumes.

    Raises `InvalidConfiguration` with a line a fault.
    """
    config: Fragment = {}
    host: Fragment = {"LogConfig": LOG_ROTATION}
    faults: list[str] = []
    definition: Mapping[str, Any] = {"volumes": None, **undollar(service.definition)}
    for key, value in definition.items():
        if key in DECIDED or key.startswith("x-") or (_absent(value) and key not in ("entrypoint", "volumes")):
            continue
        try:
            if key in _CONFIG:
                name, convert = _CONFIG[key]
                config[name] = convert(value)
            elif key in _HOST:
                name, convert = _HOST[key]
                host[name] = convert(value)
            elif key == "volumes":
                host["Mounts"] = list(mounts(environment, service, value, declared))
            elif key == "deploy":
                host |= _deploy(value)
            elif key in _CHECKS:
                _CHECKS[key](value)
            else:
                raise ValueError("the Docker target does not support it")
            if key == "hostname" and service.role is Role.APP:
                raise ValueError("the engine would resolve it to every release's containers; leave it out")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            faults.append(f"services.{service.name}.{key}: {error}")
    if faults:
        raise InvalidConfiguration(f"Service {service.name} asks for what Docker cannot be told.", details=faults)
    named = (m["Source"] for m in host.get("Mounts", ()) if m["Type"] == "volume" and "Source" in m)
    names = (service.name, str(definition.get("container_name") or service.name))
    return Blueprint(
        body={**config, "Image": service.image, "HostConfig": host},
        volumes=tuple(dict.fromkeys(named)),
        names=tuple(dict.fromkeys(names)),
    )


def _absent(value: Any) -> bool:
    return value is None or value in ([], {}, ())


def _environment(value: Any) -> list[str]:
    """A value of None takes the variable away that the image has: the host's never leak in."""
    if not isinstance(value, Mapping):
        return strings(value)
    return [str(key) if item is None else f"{key}={_scalar(item)}" for key, item in value.items()]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entrypoint(value: Any) -> list[str] | None:
    """None keeps the image's; an empty one takes it away, which the engine is told by an empty word."""
    return None if value is None else words(value) or [""]


def _labels(value: Any) -> dict[str, str]:
    labels = string_map(value)
    for name in labels:
        if name.startswith(PREFIX):
            raise ValueError(f"{name} is Tidegate's own")
    return labels


def _healthcheck(value: Mapping[str, Any]) -> Fragment:
    if value.get("disable"):
        return {"Test": ["NONE"]}
    check: Fragment = {}
    for key, item in value.items():
        if item is None or key == "disable":
            continue
        if key == "test":
            check["Test"] = ["CMD-SHELL", item] if isinstance(item, str) else strings(item)
        elif key == "retries":
            check["Retries"] = int(item)
        elif key in ("interval", "timeout", "start_period", "start_interval"):
            check["".join(part.capitalize() for part in key.split("_"))] = nanoseconds(item)
        else:
            raise ValueError(f"{key} is not supported")
    return check


def _ulimits(value: Mapping[str, Any]) -> list[Fragment]:
    def limits() -> Iterator[Fragment]:
        for name, limit in value.items():
            both = limit if isinstance(limit, Mapping) else {"soft": limit, "hard": limit}
            yield {"Name": name, "Soft": int(both["soft"]), "Hard": int(both["hard"])}

    return list(limits())


def _extra_hosts(value: Any) -> list[str]:
    """`name=address` or `name:address` as `name:address`; an IPv6 address keeps its colons."""
    if isinstance(value, Mapping):
        return [f"{name}:{address}" for name, address in value.items()]
    return [entry.replace("=", ":", 1) if "=" in entry else entry for entry in strings(value)]


def _tmpfs(value: Any) -> dict[str, str]:
    return {path: options for path, _, options in (entry.partition(":") for entry in strings(value))}


def _devices(value: Any) -> list[Fragment]:
    if not all(isinstance(entry, Mapping) for entry in value):
        raise ValueError("expected the long form")
    return [
        {
            "PathOnHost": entry["source"],
            "PathInContainer": entry.get("target", entry["source"]),
            "CgroupPermissions": entry.get("permissions", "rwm"),
        }
        for entry in value
    ]


def _logging(value: Mapping[str, Any]) -> Fragment:
    if not value.get("options") and value.get("driver", "json-file") == "json-file":
        return LOG_ROTATION
    return {"Type": value.get("driver", "json-file"), "Config": string_map(value.get("options") or {})}


def _namespace(value: Any) -> str:
    if ":" in str(value):
        raise ValueError(f"{value} ties it to another container, which Docker forgets when that is replaced")
    return str(value)


def _deploy(value: Mapping[str, Any]) -> Fragment:
    host: Fragment = {}
    for key, part in value.items():
        if (key, part) == ("mode", "replicated"):
            continue
        if key not in ("replicas", "restart_policy", "resources") and not _absent(part):
            raise ValueError(f"{key} is not supported")
    for kind, resources in (value.get("resources") or {}).items():
        for name, amount in (resources or {}).items():
            if (kind, name) not in _RESOURCES:
                raise ValueError(f"resources.{kind}.{name} is not supported")
            field, convert = _RESOURCES[kind, name]
            host[field] = convert(amount)
    return host


def _networks(value: Any) -> None:
    """Every service is in the environment's network, and in its release's; there are no others yet."""
    entries = value if isinstance(value, Mapping) else dict.fromkeys(value)
    for name, options in entries.items():
        if name != "default":
            raise ValueError(f"{name}: only the default network is supported")
        if not _absent(options):
            raise ValueError(f"default.{next(iter(options or ()))} is not supported")


_Row = tuple[str, Callable[[Any], Any]]
_CHECKS: Mapping[str, Callable[[Any], object]] = {"container_name": str, "networks": _networks}
_RESOURCES: Mapping[tuple[str, str], _Row] = {
    ("limits", "cpus"): ("NanoCpus", billionths),
    ("limits", "memory"): ("Memory", size),
    ("limits", "pids"): ("PidsLimit", int),
    ("reservations", "memory"): ("MemoryReservation", size),
}
_CONFIG: Mapping[str, _Row] = {
    "command": ("Cmd", words),
    "domainname": ("Domainname", str),
    "entrypoint": ("Entrypoint", _entrypoint),
    "environment": ("Env", _environment),
    "healthcheck": ("Healthcheck", _healthcheck),
    "hostname": ("Hostname", str),
    "labels": ("Labels", _labels),
    "stdin_open": ("OpenStdin", bool),
    "stop_grace_period": ("StopTimeout", whole_seconds),
    "stop_signal": ("StopSignal", str),
    "tty": ("Tty", bool),
    "user": ("User", str),
    "working_dir": ("WorkingDir", str),
}
_HOST: Mapping[str, _Row] = {
    "annotations": ("Annotations", string_map),
    "cap_add": ("CapAdd", strings),
    "cap_drop": ("CapDrop", strings),
    "cgroup": ("CgroupnsMode", str),
    "cgroup_parent": ("CgroupParent", str),
    "cpu_period": ("CpuPeriod", int),
    "cpu_quota": ("CpuQuota", int),
    "cpu_shares": ("CpuShares", int),
    "cpus": ("NanoCpus", billionths),
    "cpuset": ("CpusetCpus", str),
    "device_cgroup_rules": ("DeviceCgroupRules", strings),
    "devices": ("Devices", _devices),
    "dns": ("Dns", strings),
    "dns_opt": ("DnsOptions", strings),
    "dns_search": ("DnsSearch", strings),
    "extra_hosts": ("ExtraHosts", _extra_hosts),
    "group_add": ("GroupAdd", strings),
    "init": ("Init", bool),
    "ipc": ("IpcMode", _namespace),
    "logging": ("LogConfig", _logging),
    "mem_limit": ("Memory", size),
    "mem_reservation": ("MemoryReservation", size),
    "mem_swappiness": ("MemorySwappiness", int),
    "memswap_limit": ("MemorySwap", size),
    "oom_kill_disable": ("OomKillDisable", bool),
    "oom_score_adj": ("OomScoreAdj", int),
    "pid": ("PidMode", _namespace),
    "pids_limit": ("PidsLimit", int),
    "privileged": ("Privileged", bool),
    "read_only": ("ReadonlyRootfs", bool),
    "runtime": ("Runtime", str),
    "security_opt": ("SecurityOpt", strings),
    "shm_size": ("ShmSize", size),
    "storage_opt": ("StorageOpt", string_map),
    "sysctls": ("Sysctls", string_map),
    "tmpfs": ("Tmpfs", _tmpfs),
    "ulimits": ("Ulimits", _ulimits),
    "userns_mode": ("UsernsMode", str),
    "uts": ("UTSMode", str),
}
