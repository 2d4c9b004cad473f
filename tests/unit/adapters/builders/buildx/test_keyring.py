"""Docker's own credentials, and Tidegate's among them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from tidegate.adapters.builders.buildx import find_credentials
from tidegate.adapters.builders.buildx.engine import socket_path
from tidegate.adapters.builders.buildx.keyring import merged, registry_host
from tidegate.adapters.builders.buildx.program import minimal
from tidegate.errors import InvalidConfiguration, RegistryRefused, ToolMissing
from tidegate.ports.target import RegistryAuth

HOST = "registry.example.com"


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def docker(folder: Path, config: object, **environ: str) -> dict[str, str]:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", **environ}


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("registry.example.com/shop", HOST),
        ("127.0.0.1:5000/shop/web:git-1", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("localhost/shop", "localhost"),
        ("team/shop", "docker.io"),
        ("docker.io/team", "docker.io"),
        ("index.docker.io/team", "docker.io"),
    ],
)
def test_the_host_of_a_name(name: str, host: str) -> None:
    assert registry_host(name) == host


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/"])
def test_credentials_in_dockers_file(tmp_path: Path, key: str) -> None:
    environ = docker(tmp_path, {"auths": {"other.example.com": encoded("x:y"), key: encoded("ci:a:b")}})
    assert find_credentials(f"{HOST}/shop", environ) == RegistryAuth(HOST, "ci", "a:b")
    assert find_credentials("third.example.com", environ) is None


def test_an_identity_token(tmp_path: Path) -> None:
    environ = docker(tmp_path, {"auths": {HOST: {"identitytoken": "abc"}}})
    assert find_credentials(HOST, environ) == RegistryAuth(HOST, "<token>", "abc")


@pytest.mark.parametrize("place", ["credHelpers", "credsStore"])
def test_credentials_of_a_helper(tmp_path: Path, place: str) -> None:
    helper = tmp_path / "docker-credential-vault"
    answer = '{"Username": "ci", "Secret": "s3"}'
    helper.write_text(
        f"#!/bin/sh\nread host\n[ $host = {HOST} ] && echo '{answer}' && exit\n"
        "[ $host = sad.example.com ] || echo 'credentials not found in native keychain'\nexit 1\n"
    )
    helper.chmod(0o755)
    hosts = dict.fromkeys((HOST, "sad.example.com", "none.example.com"), "vault")
    environ = docker(tmp_path, {place: hosts if place == "credHelpers" else "vault"})
    assert find_credentials(f"{HOST}/shop", environ) == RegistryAuth(HOST, "ci", "s3")
    assert find_credentials("none.example.com", environ) is None
    with pytest.raises(RegistryRefused):
        find_credentials("sad.example.com", environ)


def test_a_helper_that_is_not_there_or_no_name(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="docker-credential-nowhere"):
        find_credentials(HOST, docker(tmp_path, {"credsStore": "nowhere"}))
    with pytest.raises(InvalidConfiguration):
        find_credentials(HOST, docker(tmp_path, {"credsStore": "../../bin/sh"}))


def test_the_environment_comes_first_and_whole(tmp_path: Path) -> None:
    config = {"auths": {HOST: encoded("ci:old")}}
    environ = docker(tmp_path, config, TIDEGATE_REGISTRY_USERNAME="ci", TIDEGATE_REGISTRY_PASSWORD="new")
    assert find_credentials(HOST, environ) == RegistryAuth(HOST, "ci", "new")
    del environ["TIDEGATE_REGISTRY_PASSWORD"]
    with pytest.raises(InvalidConfiguration, match="TIDEGATE_REGISTRY_PASSWORD"):
        find_credentials(HOST, environ)


def test_settings_that_cannot_be_read_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"config\.json"):
        find_credentials(HOST, docker(tmp_path, "{"))


def test_credentials_are_added_and_nothing_is_taken_away() -> None:
    auth = RegistryAuth(HOST, "ci", "new")
    other = encoded("x:y")
    own = {"auths": {f"https://{HOST}": encoded("ci:old"), "o.io": other}, "credsStore": "vault", "proxies": {"a": 1}}
    result = merged(own, auth)
    assert result["auths"] == {"o.io": other, HOST: encoded("ci:new")}
    assert result["credsStore"] == "vault"
    assert result["proxies"] == {"a": 1}
    assert result["credHelpers"] == {HOST: ""}  # for this registry the file counts, not the store
    assert merged({}, RegistryAuth("docker.io", "ci", "new"))["auths"] == {
        "https://index.docker.io/v1/": encoded("ci:new")
    }


@pytest.mark.parametrize(
    ("environ", "config", "path"),
    [
        ({}, {}, "/var/run/docker.sock"),
        ({}, {"currentContext": "default"}, "/var/run/docker.sock"),
        ({}, {"currentContext": "far"}, None),
        ({"DOCKER_CONTEXT": "default"}, {"currentContext": "far"}, "/var/run/docker.sock"),
        ({"DOCKER_CONTEXT": "far"}, {}, None),
        ({"DOCKER_HOST": "unix:///x.sock"}, {"currentContext": "far"}, "/x.sock"),
        ({"DOCKER_HOST": "ssh://far"}, {}, None),
        ({"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "far"}, {}, None),
    ],
)
def test_the_engine_is_the_one_that_docker_would_ask(
    tmp_path: Path, environ: dict[str, str], config: dict[str, str], path: str | None
) -> None:
    assert socket_path(docker(tmp_path, config, **environ)) == path


def test_programs_get_little_of_the_environment() -> None:
    kept = {"PATH": "/bin", "HOME": "/h", "DOCKER_HOST": "unix:///x", "https_proxy": "p", "XDG_RUNTIME_DIR": "/r"}
    dropped = {
        "SSH_AUTH_SOCK": "/s",
        "TIDEGATE_REGISTRY_PASSWORD": "p",
        "DATABASE_URL": "d",
        "BUILDX_GIT_LABELS": "full",
        "SOURCE_DATE_EPOCH": "0",
    }
    given = minimal(kept | dropped)
    assert kept.items() <= given.items()
    assert not dropped.keys() & given.keys()
