"""A Compose service becomes exactly what the engine is to make; what cannot be honoured is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.adapters.targets.docker.translation import DECIDED, LOG_ROTATION, Blueprint, blueprint
from tidegate.domain.names import EnvironmentName
from tidegate.domain.service import Role, Service
from tidegate.errors import InvalidConfiguration

ENV = EnvironmentName("shop", "staging")
HOST = "HostConfig"


def translated(role: Role = Role.APP, declared: tuple[str, ...] = (), **definition: Any) -> Blueprint:
    return blueprint(ENV, Service("web", role, "sha256:1", definition=definition), declared)


def test_a_service_without_a_definition_is_its_image_with_rotated_logs() -> None:
    assert translated().body == {"Image": "sha256:1", HOST: {"LogConfig": LOG_ROTATION, "Mounts": []}}


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("command", ["sh", "-c", "echo $$HOME"], "Cmd", ["sh", "-c", "echo $HOME"]),
        ("command", "run 'a b'", "Cmd", ["run", "a b"]),
        ("entrypoint", ["/x", "$$$$"], "Entrypoint", ["/x", "$$"]),
        ("entrypoint", [], "Entrypoint", [""]),
        ("environment", {"A": "a$$b", "B": "", "C": None, "D": True}, "Env", ["A=a$b", "B=", "C", "D=true"]),
        ("environment", ["A=1"], "Env", ["A=1"]),
        ("user", "1000:1000", "User", "1000:1000"),
        ("working_dir", "/srv", "WorkingDir", "/srv"),
        ("stop_signal", "SIGINT", "StopSignal", "SIGINT"),
        ("stop_grace_period", "1m30s", "StopTimeout", 90),
        ("stop_grace_period", "1500ms", "StopTimeout", 2),
        ("labels", {"l": "v$$"}, "Labels", {"l": "v$"}),
        ("tty", True, "Tty", True),
        ("stdin_open", True, "OpenStdin", True),
        ("healthcheck", {"disable": True}, "Healthcheck", {"Test": ["NONE"]}),
        (
            "healthcheck",
            {"test": "curl $$X", "interval": "1m30s", "timeout": "10s", "retries": 3, "start_period": "500ms"},
            "Healthcheck",
            {
                "Test": ["CMD-SHELL", "curl $X"],
                "Interval": 90 * 10**9,
                "Timeout": 10**10,
                "Retries": 3,
                "StartPeriod": 5 * 10**8,
            },
        ),
        (
            "healthcheck",
            {"test": ["CMD", "true"], "start_interval": "1s"},
            "Healthcheck",
            {"Test": ["CMD", "true"], "StartInterval": 10**9},
        ),
    ],
)
def test_keys_of_the_process(key: str, value: Any, field: str, expected: Any) -> None:
    assert translated(**{key: value}).body[field] == expected


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("read_only", True, "ReadonlyRootfs", True),
        ("cap_add", ["NET_ADMIN"], "CapAdd", ["NET_ADMIN"]),
        ("cap_drop", ["ALL"], "CapDrop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"], "SecurityOpt", ["no-new-privileges:true"]),
        ("init", True, "Init", True),
        ("shm_size", "67108864", "ShmSize", 64 * 2**20),
        ("shm_size", "64m", "ShmSize", 64 * 2**20),
        ("sysctls", {"net.core.somaxconn": "1024"}, "Sysctls", {"net.core.somaxconn": "1024"}),
        ("dns", ["8.8.8.8"], "Dns", ["8.8.8.8"]),
        ("mem_limit", "1gb", "Memory", 2**30),
        ("memswap_limit", "-1", "MemorySwap", -1),
        ("mem_swappiness", "10", "MemorySwappiness", 10),
        ("cpus", 0.5, "NanoCpus", 5 * 10**8),
        ("pids_limit", 100, "PidsLimit", 100),
        ("group_add", ["mail", 33], "GroupAdd", ["mail", "33"]),
        ("tmpfs", ["/run", "/tmp:size=64m"], "Tmpfs", {"/run": "", "/tmp": "size=64m"}),
        (
            "extra_hosts",
            ["a=10.0.0.1", "b=::1", "h:host-gateway"],
            "ExtraHosts",
            ["a:10.0.0.1", "b:::1", "h:host-gateway"],
        ),
        (
            "ulimits",
            {"nproc": 5, "nofile": {"soft": 1, "hard": 2}},
            "Ulimits",
            [{"Name": "nproc", "Soft": 5, "Hard": 5}, {"Name": "nofile", "Soft": 1, "Hard": 2}],
        ),
        ("logging", {"driver": "local"}, "LogConfig", {"Type": "local", "Config": {}}),
        ("logging", {"driver": "json-file"}, "LogConfig", LOG_ROTATION),
        ("logging", {"options": {"max-size": "1m"}}, "LogConfig", {"Type": "json-file", "Config": {"max-size": "1m"}}),
        (
            "devices",
            [{"source": "/dev/null", "target": "/dev/n", "permissions": "r"}],
            "Devices",
            [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}],
        ),
    ],
)
def test_keys_of_the_host(key: str, value: Any, field: str, expected: Any) -> None:
    assert translated(**{key: value}).body[HOST][field] == expected


def test_resources_of_deploy() -> None:
    limits = {"cpus": "0.5", "memory": "10485760", "pids": 7}
    deploy = {
        "replicas": 3,
        "resources": {"limits": limits, "reservations": {"memory": "5242880"}},
        "restart_policy": {"condition": "any"},
        "placement": {},
    }
    host = translated(deploy=deploy).body[HOST]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (5 * 10**8, 10 * 2**20, 7)
    assert host["MemoryReservation"] == 5 * 2**20


def test_volumes_belong_to_the_environment() -> None:
    made = translated(
        volumes=[
            {"type": "volume", "source": "data", "target": "/data", "volume": {}},
            {"type": "volume", "source": "data", "target": "/x", "read_only": True, "volume": {"nocopy": True}},
            {"type": "volume", "target": "/anonymous", "volume": {}},
            {"type": "bind", "source": "/etc", "target": "/e", "bind": {"create_host_path": True}},
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "10485760", "mode": 448}},
        ]
    )
    assert made.volumes == ("shop-staging_data",)
    assert made.body[HOST]["Mounts"] == [
        {"Type": "volume", "Target": "/data", "ReadOnly": False, "Source": "shop-staging_data"},
        {
            "Type": "volume",
            "Target": "/x",
            "ReadOnly": True,
            "Source": "shop-staging_data",
            "VolumeOptions": {"NoCopy": True},
        },
        {"Type": "volume", "Target": "/anonymous", "ReadOnly": False},
        {
            "Type": "bind",
            "Target": "/e",
            "ReadOnly": False,
            "Source": "/etc",
            "BindOptions": {"CreateMountpoint": True},
        },
        {"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 10485760, "Mode": 448}},
    ]


def test_what_an_accessory_keeps_has_a_name_that_outlives_its_container() -> None:
    anonymous = [{"type": "volume", "target": "/cache", "volume": {}}]
    made = translated(Role.ACCESSORY, declared=("/var/lib/data", "/cache/"), volumes=anonymous)
    assert len(made.volumes) == 2 and all(name.startswith("shop-staging_web-") for name in made.volumes)
    assert [m["Target"] for m in made.body[HOST]["Mounts"]] == ["/cache", "/var/lib/data"]
    assert translated(Role.ACCESSORY, declared=("/var/lib/data",)).volumes[0] in made.volumes


@pytest.mark.parametrize("key", sorted(DECIDED))
def test_what_tidegate_decides_itself_changes_nothing(key: str) -> None:
    assert translated(**{key: "anything", "x-note": {"a": 1}}) == translated()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("network_mode", "host", "does not support"),
        ("secrets", [{"source": "s"}], "does not support"),
        ("links", ["db"], "does not support"),
        ("no_such_key", 1, "does not support"),
        ("networks", {"back": None}, "only the default network"),
        ("networks", {"default": {"aliases": ["q"]}}, "default.aliases"),
        ("deploy", {"placement": {"constraints": ["a"]}}, "placement"),
        ("deploy", {"resources": {"reservations": {"cpus": "1"}}}, "resources.reservations.cpus"),
        ("healthcheck", {"tset": 1}, "tset"),
        ("healthcheck", {"interval": "soon"}, "'soon' is not a duration"),
        ("mem_limit", "lots", "'lots' is not a size"),
        ("labels", {"tidegate.app": "x"}, "Tidegate's own"),
        ("hostname", "web", "every release"),
        ("ipc", "service:db", "ties it"),
        ("volumes", ["data:/data"], "long form"),
        ("volumes", [{"type": "npipe", "target": "/x"}], "npipe"),
        ("volumes", [{"type": "bind", "source": "./src", "target": "/x"}], "not absolute"),
        ("volumes", [{"type": "volume", "source": "a", "target": "/x", "volume": {"subpath": "b"}}], "volume.subpath"),
        ("volumes", [{"type": "volume", "source": "a", "target": "/x", "image": {}}], "image"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(key: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        translated(**{key: value})
    (line,) = refused.value.details
    assert line.startswith(f"services.web.{key}: ") and words in line


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        translated(network_mode="host", mem_limit="x", command=["fine"])
    assert len(refused.value.details) == 2


def test_keys_that_say_nothing_are_no_faults() -> None:
    assert translated(command=None, entrypoint=None, networks={"default": None}, secrets=[], links=None).volumes == ()


def test_a_container_name_is_one_more_name_to_be_found_by() -> None:
    made = translated(container_name="shop_web")
    assert made.names == ("web", "shop_web")
    assert made.body == translated().body


def test_an_accessory_may_have_a_host_name() -> None:
    assert translated(Role.ACCESSORY, hostname="db").body["Hostname"] == "db"
