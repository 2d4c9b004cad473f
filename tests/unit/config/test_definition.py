"""What an environment makes of a normal form."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.config.compose import Build, Definition, define
from tidegate.config.settings import load
from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.service import Role
from tidegate.errors import ImageMissing, InvalidConfiguration

DIGEST = "sha256:" + "a" * 64
ROUTES = "routes: [{service: web, port: 8000, health: /health}]"


def made(services: dict[str, Any], lines: str = ROUTES, **normal: Any) -> Definition:
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    settings = load(f"app: shop\nenvironments:\n  staging:\n{body}".encode())
    return define(settings, settings.environment("staging"), {"name": "tidegate", "services": services, **normal})


def faults(services: dict[str, Any], lines: str = ROUTES, **normal: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        made(services, lines, **normal)
    return caught.value.details


def built(context: str = ".", **more: Any) -> dict[str, Any]:
    return {"build": {"context": context, "dockerfile": "Dockerfile"}, **more}


def test_roles_follow_the_rule() -> None:
    definition = made(
        {
            "web": built(image="shop"),
            "worker": {"image": "shop", "command": ["work"]},
            "proxy": {"image": f"nginx@{DIGEST}"},
            "db": {"image": "postgres:16"},
            "migrate": {"image": "shop", "profiles": ["tools"]},
            "adminer": {"image": "adminer", "profiles": ["debug"]},
            "tool": built("tool", **{"x-tidegate": {"role": "none"}}),
            "cache": built("cache", **{"x-tidegate": {"role": "accessory"}}),
        },
        "routes:\n  - {service: web, port: 1, health: /}\n  - {service: proxy, port: 1, health: /, path: /p}\n"
        "migrate: migrate",
    )
    assert definition.roles == {
        "web": Role.APP,
        "worker": Role.APP,
        "proxy": Role.APP,
        "db": Role.ACCESSORY,
        "migrate": Role.JOB,
        "adminer": Role.NONE,
        "tool": Role.NONE,
        "cache": Role.ACCESSORY,
    }
    assert definition.parts["worker"].why == "it shares web's image"
    assert definition.parts["adminer"].why == "only in profile debug"
    assert [build.service for build in definition.builds] == ["cache", "web"]
    configuration = definition.configuration({"web": DIGEST, "cache": "sha256:" + "c" * 64})
    images = {service.name: service.image for service in configuration.services}
    assert images == {
        "web": DIGEST,
        "worker": DIGEST,
        "migrate": DIGEST,
        "proxy": f"nginx@{DIGEST}",
        "db": "postgres:16",
        "cache": "sha256:" + "c" * 64,
    }


def test_equal_builds_are_built_once() -> None:
    definition = made({"web": built(), "worker": built(command=["work"]), "other": built("./other")})
    assert [build.service for build in definition.builds] == ["other", "web"]
    images = {service.name: service.image for service in definition.configuration({"web": "w", "other": "o"}).services}
    assert images == {"web": "w", "worker": "w", "other": "o"}


def test_a_build_is_in_the_repository_and_its_dollars_are_single() -> None:
    build = {"context": "./a/../b", "dockerfile": "../Dockerfile.b", "target": "run", "args": {"P": "a$$b", "N": None}}
    (spec,) = made({"web": {"build": build}}).builds
    assert spec == Build("web", "b", "../Dockerfile.b", "run", {"P": "a$b"})


def test_paths_are_relative_to_the_first_compose_file() -> None:
    (spec,) = made({"web": built("../src")}, f"{ROUTES}\ncompose: [deploy/compose.yaml]").builds
    assert spec.context == "src"


def test_a_definition_holds_only_what_the_target_needs() -> None:
    noise = {
        "command": None,
        "entrypoint": [],
        "container_name": "web",
        "depends_on": {"db": {}},
        "deploy": {"replicas": 2, "placement": {}, "resources": {"limits": {"cpus": 1}}},
        "environment": {"A": None},
        "expose": [],
        "networks": {"default": None},
        "ports": [{"target": 8000, "published": "8000"}],
        "scale": 3,
    }
    (web,) = made({"web": built(**noise)}).services
    assert web.definition == {
        "entrypoint": [],
        "deploy": {"resources": {"limits": {"cpus": 1}}},
        "environment": {"A": None},
    }
    assert web.replicas == 3


def test_replicas_of_tidegate_yaml_come_first() -> None:
    definition = made({"web": built(scale=3), "api": built(deploy={"replicas": 4})}, f"{ROUTES}\nreplicas: {{web: 2}}")
    assert {service.name: service.replicas for service in definition.services} == {"web": 2, "api": 4}


def test_services_come_after_those_they_depend_on() -> None:
    services = {"a": {"image": "x", "depends_on": {"z": {}}}, "z": {"image": "y"}, "web": built(depends_on={"a": {}})}
    assert [service.name for service in made(services).services] == ["z", "a", "web"]


def test_equal_files_make_equal_configurations() -> None:
    first = made({"web": built(), "db": {"image": "x"}}).configuration({"web": DIGEST})
    second = made({"db": {"image": "x"}, "web": built()}).configuration({"web": DIGEST})
    assert fingerprint(first) == fingerprint(second)


def test_an_image_that_the_artifact_lacks() -> None:
    with pytest.raises(ImageMissing, match="no image of web"):
        made({"web": built()}).configuration({})


def test_names_that_are_not_there_are_told_with_their_places() -> None:
    lines = faults(
        {"web": built(), "db": {"image": "x"}},
        "routes: [{service: wbe, port: 1, health: /}]\nmigrate: mig\nreplicas: {web: 1, db: 2, wb: 1}",
    )
    assert lines == (
        "tidegate.yaml:4:24: no service 'wbe' in the Compose files; did you mean 'web'?",
        "tidegate.yaml:5:14: no service 'mig' in the Compose files",
        "tidegate.yaml:6:24: db is no app service (accessory: it is neither built nor routed), and runs once",
        "tidegate.yaml:6:31: no service 'wb' in the Compose files; did you mean 'web'?",
    )


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        ({"image": "nginx:1"}, "services.web.image: found 'nginx:1', expected a digest"),
        (built("/abs"), "services.web.build.context: found '/abs', expected a folder in the repository"),
        (built("../out"), "services.web.build.context: found '../out'"),
        (built("https://example.com/x.git"), "build.context"),
        ({"build": {"context": ".", "dockerfile": "../../D"}}, "build.dockerfile: found '../../D'"),
        ({"build": {"context": ".", "ssh": ["default"]}}, "build.ssh: it cannot be honoured"),
        (built(volumes=[{"type": "bind", "source": "./app", "target": "/srv"}]), "volumes.0: found './app' is a file"),
        (built(volumes=[{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]), "owns the host"),
        (built(privileged=True), "services.web.privileged: a privileged container"),
        (built(network_mode="host"), "services.web.network_mode: it cannot be honoured"),
        (built(networks={"back": None}), "services.web.networks.back: found 'back', expected default"),
        (built(hostname="web"), "services.web.hostname"),
        (built(scale=0), "services.web.scale: found 0, expected at least 1 replica"),
        (built(secrets=[{"source": "s"}]), "services.web.secrets: it cannot be honoured"),
        (built(**{"x-tidegate": {"role": "ap"}}), "services.web.x-tidegate.role: found 'ap'"),
        (built(**{"x-tidegate": {"role": "job"}}), "web is routed, and x-tidegate gives it the role job, expected app"),
    ],
)
def test_what_cannot_run_is_told(service: dict[str, Any], fault: str) -> None:
    (line,) = faults({"web": service})
    assert fault in line


def test_an_included_volume_that_is_elsewhere() -> None:
    (line,) = faults({"web": built()}, volumes={"data": {"name": "x", "external": True}})
    assert line.startswith("volumes.data.external: it cannot be honoured")


def test_what_is_decided_otherwise_is_noted() -> None:
    web = built(container_name="w", ports=[{"target": 80}])
    web["build"] |= {"cache_from": ["x"], "tags": ["t"]}
    notes = made({"web": web, "db": {"image": "x", "scale": 2}}, volumes={"d": {"name": "mine"}}).notes
    assert [note.split(" ")[0:2] for note in notes] == [
        ["web:", "ports:"],
        ["web:", "container_name:"],
        ["web:", "build.cache_from:"],
        ["web:", "build.tags:"],
        ["db:", "it"],
        ["web:", "routed"],
        ["volume", "d:"],
    ]
