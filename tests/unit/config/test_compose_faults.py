"""Compose files as written: slips are told with their place, valid files never are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.compose import faults
from tidegate.config.compose_keys import SERVICE

RICH = b"""\
name: shop
x-common: &common
  restart: unless-stopped
  environment: &env {LOG: "${LOG:-info}", EMPTY: , N: 3, T: true}
  logging: {driver: json-file, options: {max-size: 1m}}
services:
  web:
    <<: *common
    build: {context: ./web, dockerfile: Dockerfile, target: run, args: [A=1, B], cache_from: [x]}
    image: shop
    ports: ["8000:8000", 9000, {target: 80, published: "8080", mode: host}]
    expose: [1, "2"]
    environment: {<<: *env, MORE: 1.5}
    env_file: [web.env, {path: ./local.env, required: false}]
    command: ["serve", 8000]
    healthcheck: {test: curl -f http://localhost:8000/health, interval: "${EVERY:-5s}", retries: 3, disable: no}
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: "${N:-2}", resources: {limits: {cpus: "0.5", memory: 100M}}, mode: replicated}
    volumes: [data:/data, /scratch, {type: tmpfs, target: /tmp, tmpfs: {size: 1000000}}]
    x-tidegate: {role: app}
    x-anything: [1]
    labels: [a=b]
    tmpfs: /run
    user: "1000:1000"
    stop_grace_period: 15s
    ulimits: {nofile: {soft: 1, hard: 2}}
    networks: [default]
    privileged: false
    init: true
  worker:
    extends: {file: common.yaml, service: base}
    depends_on: [db]
    ports: !reset []
    privileged: !reset null
  other: {extends: web, mem_limit: 1g, cpus: 1.5, dns: 1.1.1.1, profiles: [x]}
  db:
    image: "postgres:${PG:-16}"
    volumes: ["data:/var/lib"]
    environment: [POSTGRES_PASSWORD=x]
volumes: {data: , more: {}}
networks: {default: , unused: {driver: bridge}}
"""


def test_what_compose_allows_is_no_fault() -> None:
    assert faults({"compose.yaml": RICH}) == []


def test_an_include_may_bear_what_is_named() -> None:
    text = (
        b"include: [db/compose.yaml, {path: [a.yaml], env_file: a.env}]\nservices: {web: {build: ., depends_on: [db]}}"
    )
    assert faults({"compose.yaml": text}) == []


def test_files_are_judged_together() -> None:
    base = b"services: {web: {build: ., depends_on: [db]}, db: {image: postgres}}\nvolumes: {data: }"
    more = b"services: {web: {environment: {A: 1}}, db: {volumes: ['data:/d']}}"
    assert faults({"compose.yaml": base, "compose.production.yaml": more}) == []


def test_all_faults_of_all_files_at_once() -> None:
    lines = faults({"a.yaml": b"services:\n  web:\n    buld: .\n    ports: 80\n", "b.yaml": b"a: 1\na: 2\n"})
    assert lines == [
        "b.yaml:2:1: the key 'a' is here twice, first in line 1",
        "a.yaml:3:5: unknown key 'buld'; did you mean 'build'?",
        "a.yaml:4:12: ports: found 80, expected a list",
    ]


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        ("enviroment: {A: 1}", ":5: unknown key 'enviroment'; did you mean 'environment'?"),
        ("healthcheck: {tests: x}", "unknown key 'tests', expected disable, interval"),
        ("build: {contxt: .}", "did you mean 'context'?"),
        ("environment: {A: [1]}", "A: found a list, expected a text or a number"),
        ("command: {a: b}", "command: found a mapping, expected a text or a list of texts"),
        ("deploy: {replicas: many}", "replicas: found 'many', expected a number"),
        ("read_only: maybe", "read_only: found 'maybe', expected true or false"),
        ("depends_on: [dbb]", "depends_on: no service 'dbb'; did you mean 'db'?"),
        ("volumes: ['dta:/x']", "no volume 'dta' under the file's volumes:; did you mean 'data'?"),
        ("x-tidegate: {role: ap}", "role: found 'ap', expected app, accessory, job or none"),
        ("x-tidegate: {rle: app}", "unknown key 'rle', expected role; did you mean 'role'?"),
        ("privileged: true", "privileged: a privileged container owns the host"),
        ("pid: host", "pid: found 'host', expected a namespace of its own"),
        ("ipc: host", "ipc: found 'host'"),
        ("uts: host", "uts: found 'host'"),
        ("userns_mode: host", "userns_mode: found 'host'"),
        ("pid: 'service:db'", "expected no other container's"),
        ("network_mode: host", "web.network_mode cannot be honoured: the router reaches"),
        ("networks: [back]", "networks: found 'back', expected default"),
        ("networks: {back: }", "networks: found 'back', expected default"),
        ("secrets: [s]", "web.secrets cannot be honoured: it is not supported by this version"),
        ("configs: [s]", "web.configs cannot be honoured"),
        ("links: [db]", "web.links cannot be honoured: services of an environment reach each other"),
        ("use_api_socket: true", "web.use_api_socket cannot be honoured: whoever holds the engine's socket"),
        ("volumes: ['/var/run/docker.sock:/s']", "volumes: found '/var/run/docker.sock': whoever holds"),
        ("volumes: [{type: bind, source: /run/../run/docker.sock, target: /s}]", "whoever holds the engine's socket"),
        ("volumes: ['/var/run:/host']", "whoever holds the engine's socket"),
        ("deploy: {placement: {constraints: [a]}}", "deploy.placement cannot be honoured: it belongs to Docker Swarm"),
        ("deploy: {mode: global}", "deploy: found 'global', expected 'replicated'"),
        ("build: {context: ., secrets: [x]}", "build.secrets cannot be honoured: Tidegate's builds do not take it yet"),
        ("build: ../elsewhere", "found '../elsewhere', expected a path in the repository"),
        ("build: https://example.com/x.git", "expected a path in the repository"),
        ("env_file: /etc/passwd", "found '/etc/passwd', expected a path in the repository"),
        ("env_file: [a.env, ../../b.env]", "found '../../b.env', expected a path in the repository"),
        ("extends: {file: /x.yaml, service: a}", "found '/x.yaml', expected a path in the repository"),
    ],
)
def test_a_slip_is_told_with_its_place(service: str, fault: str) -> None:
    text = f"services:\n  web:\n    {service}\n    image: x\n  db: {{image: postgres}}\nvolumes: {{data: }}\n"
    lines = faults(
        {"compose.yaml": text.replace("    image: x\n", "" if "build:" in service else "    image: x\n").encode()}
    )
    assert len(lines) == 1, lines
    assert fault in lines[0]
    assert lines[0].startswith("compose.yaml:3:")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "found no services"),
        ("services: [web]", "services: found a list, expected a mapping of services"),
        ("services: {web: }", "found nothing, expected a service"),
        ("services: {web: {ports: []}}", "the service 'web' has neither image: nor build:"),
        ("service: {}", "unknown key 'service', expected configs, include"),
        ("services: {'a b': {image: x}}", "found 'a b', expected a service's name"),
        ("services: {w: {image: x}}\nvolumes: {d: {external: true}}", "d.external cannot be honoured"),
        ("services: {w: {image: x}}\nnetworks: {default: {driver: host}}", "options of the default network"),
        ("include: ['oci://example.com/x']\nservices: {w: {image: x}}", "expected a path in the repository"),
    ],
)
def test_a_slip_in_the_project(text: str, fault: str) -> None:
    assert any(fault in line for line in faults({"compose.yaml": text.encode()}))


def test_an_alias_is_told_once() -> None:
    text = b"x-a: &a {prots: []}\nservices: {a: {<<: *a, image: x}, b: {<<: *a, image: x}}"
    assert faults({"c.yaml": text}) == ["c.yaml:1:10: unknown key 'prots'; did you mean 'ports'?"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(SERVICE.keys or ())), JUNK, max_size=3), JUNK)
def test_whatever_a_key_holds_it_is_judged(service: dict[str, object], extra: object) -> None:
    project = {"services": {"web": service}, "volumes": extra, "networks": extra, "include": extra}
    for line in faults({"c.yaml": json.dumps(project).encode()}):
        assert line.startswith("c.yaml:1:")
