"""The Compose specification's keys, as data: which there are, what each holds, which cannot be honoured.

The table knows the keys of current and past versions of the specification, so that only a slip is called unknown.
A fault here means that Compose itself or Tidegate would refuse; where the specification is generous, so is the
table. No logic but the building of shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Scalars(Enum):
    """Which scalars a shape takes. Any text with a `$` is taken too: it is interpolated later."""

    NONE = "none"
    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    ANY = "any"


@dataclass(frozen=True)
class Shape:
    """What may stand at a key; `expected` says it to people. A shape may allow several forms at once."""

    expected: str
    scalars: Scalars = Scalars.NONE
    items: Shape | None = None  # a list of these
    keys: Mapping[str, Shape] | None = None  # a mapping with these keys
    values: Shape | None = None  # a mapping with any other keys, to these
    anything: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)  # of `keys`: why they cannot be honoured


ANY = Shape("a value", anything=True)
TEXT = Shape("a text", Scalars.TEXT)
VALUE = Shape("a text or a number", Scalars.ANY)
NUMBER = Shape("a number", Scalars.NUMBER)
FLAG = Shape("true or false", Scalars.FLAG)
TEXTS = Shape("a list of texts", items=VALUE)
TEXT_OR_LIST = Shape("a text or a list of texts", Scalars.TEXT, items=VALUE)
MAP = Shape("a mapping", values=VALUE)
MAP_OR_LIST = Shape("a mapping or a list of NAME=VALUE", items=VALUE, values=VALUE)
OPEN = Shape("a mapping", values=ANY)


def section(keys: Mapping[str, Shape], refused: Mapping[str, str] | None = None) -> Shape:
    """A mapping of known keys."""
    return Shape("a mapping", keys=keys, refused=refused or {})


def many(shape: Shape, names: str) -> dict[str, Shape]:
    """The same shape for several keys."""
    return dict.fromkeys(names.split(), shape)


def every(reason: str, names: str) -> dict[str, str]:
    """The same reason for several keys."""
    return dict.fromkeys(names.split(), reason)


def entries(keys: Mapping[str, Shape]) -> Shape:
    """A list of texts (short form) or mappings (long form)."""
    return Shape("a list", items=Shape("a text or a mapping", Scalars.ANY, keys=keys))


_BUILD_REFUSED = every(
    "Tidegate's builds do not take it yet",
    "additional_contexts dockerfile_inline entitlements extra_hosts isolation network platforms privileged secrets "
    "shm_size ssh ulimits",
)
_BUILD = replace(
    section(
        {
            **many(TEXT, "context dockerfile dockerfile_inline target network isolation sbom provenance"),
            **many(MAP_OR_LIST, "args labels additional_contexts"),
            **many(TEXTS, "cache_from cache_to entitlements platforms tags"),
            **many(FLAG, "no_cache pull privileged"),
            **many(ANY, "extra_hosts secrets ssh ulimits shm_size no_cache_filter"),
        },
        _BUILD_REFUSED,
    ),
    expected="a folder or a mapping",
    scalars=Scalars.TEXT,
)
_SWARM = "it belongs to Docker Swarm; Tidegate's own replicas: and strategy: say how a release takes over"
_DEPLOY = section(
    {
        **many(OPEN, "placement resources restart_policy rollback_config update_config"),
        "replicas": NUMBER,
        "labels": MAP_OR_LIST,
        **many(TEXT, "endpoint_mode mode"),
        "resources": section(
            {
                "limits": section({**many(VALUE, "cpus memory pids"), "devices": ANY}),
                "reservations": section(
                    {**many(VALUE, "cpus memory"), **many(ANY, "devices generic_resources")},
                    {
                        "cpus": "Docker reserves no processors; limits.cpus caps them",
                        "devices": "it is not supported yet",
                        "generic_resources": _SWARM,
                    },
                ),
            }
        ),
    },
    every(_SWARM, "endpoint_mode labels placement rollback_config update_config"),
)
_HEALTHCHECK = section(
    {
        "disable": FLAG,
        "retries": NUMBER,
        "test": TEXT_OR_LIST,
        **many(TEXT, "interval timeout start_period start_interval"),
    }
)
_MOUNT = {
    **many(TEXT, "type source target consistency"),
    "read_only": FLAG,
    **many(OPEN, "bind volume tmpfs image"),
}
_PORT = {**many(VALUE, "target published"), **many(TEXT, "name host_ip protocol app_protocol mode")}
_EXTENDS = Shape("a service's name or a mapping", Scalars.TEXT, keys=many(TEXT, "file service"))
_DEPENDS_ON = Shape("a list of services or a mapping", items=TEXT, values=OPEN)
_TIDEGATE = section({"role": TEXT})
_NOT_YET = "it is not supported by this version"
_NO_LINKS = "services of an environment reach each other by their names already"

SERVICE = section(
    {
        **many(
            TEXT,
            "cgroup cgroup_parent container_name cpuset domainname hostname image ipc isolation mac_address "
            "network_mode pid platform pull_policy restart runtime stop_grace_period stop_signal userns_mode uts "
            "working_dir pull_refresh_after",
        ),
        **many(
            VALUE,
            "cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus mem_limit "
            "mem_reservation mem_swappiness memswap_limit oom_score_adj pids_limit scale shm_size user",
        ),
        **many(FLAG, "attach init oom_kill_disable privileged read_only stdin_open tty use_api_socket"),
        **many(
            TEXTS,
            "cap_add cap_drop device_cgroup_rules dns_opt expose external_links group_add links profiles "
            "security_opt volumes_from",
        ),
        **many(TEXT_OR_LIST, "command dns dns_search entrypoint label_file tmpfs"),
        **many(MAP_OR_LIST, "annotations environment labels sysctls"),
        **many(OPEN, "blkio_config credential_spec develop logging provider storage_opt ulimits"),
        **many(ANY, "extra_hosts gpus models networks post_start pre_stop"),
        "build": _BUILD,
        "configs": entries({**many(TEXT, "source target"), **many(VALUE, "uid gid mode")}),
        "depends_on": _DEPENDS_ON,
        "deploy": _DEPLOY,
        "devices": entries(many(TEXT, "source target permissions")),
        "env_file": Shape(
            "a file or a list of files",
            Scalars.TEXT,
            items=Shape("a file", Scalars.TEXT, keys={**many(TEXT, "path format"), "required": FLAG}),
        ),
        "extends": _EXTENDS,
        "healthcheck": _HEALTHCHECK,
        "ports": entries(_PORT),
        "secrets": entries({**many(TEXT, "source target"), **many(VALUE, "uid gid mode")}),
        "volumes": entries(_MOUNT),
        "x-tidegate": _TIDEGATE,
    },
    {
        **every(
            _NOT_YET,
            "blkio_config cpu_count cpu_percent cpu_rt_period cpu_rt_runtime credential_spec gpus isolation "
            "label_file mac_address models post_start pre_stop provider",
        ),
        "configs": f"{_NOT_YET}; put the file into the image, or into a volume",
        "secrets": f"{_NOT_YET}; pass the value through environment: for now",
        "external_links": _NO_LINKS,
        "links": _NO_LINKS,
        "network_mode": "the router reaches a service only in its environment's network",
        "use_api_socket": "whoever holds the engine's socket owns the host",
        "volumes_from": "a volume is shared by its name",
    },
)

_NETWORK_REFUSED = "an environment has one network, which all its services share"
_VOLUME_REFUSED = "volumes belong to the environment, in Docker's local driver"
_NETWORK = section(
    {
        **many(TEXT, "driver name"),
        **many(FLAG, "attachable enable_ipv4 enable_ipv6 internal"),
        **many(OPEN, "driver_opts ipam"),
        "external": ANY,
        "labels": MAP_OR_LIST,
    }
)
_VOLUME = section(
    {**many(TEXT, "driver name"), "driver_opts": OPEN, "external": ANY, "labels": MAP_OR_LIST},
    every(_VOLUME_REFUSED, "driver_opts external labels"),
)
PROJECT = section(
    {
        **many(TEXT, "name version"),
        "include": Shape("a list", items=Shape("a file or a mapping", Scalars.TEXT, values=ANY)),
        "services": Shape("a mapping of services", values=SERVICE),
        "networks": Shape("a mapping of networks", values=_NETWORK),
        "volumes": Shape("a mapping of volumes", values=_VOLUME),
        **many(OPEN, "configs secrets models"),
    }
)
NETWORK_REFUSED = _NETWORK_REFUSED
IGNORED_IN_BUILDS = (
    *("cache_from", "cache_to", "labels", "no_cache", "no_cache_filter", "provenance", "pull", "sbom", "tags"),
)
