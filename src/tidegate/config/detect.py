"""A first tidegate.yaml that fits a repository, from what its files say. Pure: it is given the files.

It guesses as a colleague would who looks at compose.yaml and the Dockerfile, and says in a comment where each
guess comes from, so that a wrong one is seen and mended. What it writes passes `load`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.config.document import Node, parse
from tidegate.config.models import is_branch, is_health_path
from tidegate.domain.names import MAX_LENGTH, SERVICE
from tidegate.errors import FileMissing

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_LIKELY = ("web", "app", "frontend", "server", "api", "site", "www", "nginx")
_MIGRATIONS = ("migrate", "migration", "migrations", "db-migrate")
_COMMON = ("/health", "/healthz", "/up", "/ready", "/readyz", "/livez")
_LITERAL = re.compile(rb"""["'`](/api)?(/health|/healthz|/up|/ready|/readyz|/livez)/?["'`]""")
_EXPOSE = re.compile(r"^\s*EXPOSE\s+([0-9]{1,5})(?:/tcp)?\b", re.IGNORECASE | re.MULTILINE)
_HEALTHCHECK = re.compile(r"^\s*HEALTHCHECK\b(?:.*\\\n)*.*", re.IGNORECASE | re.MULTILINE)
_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*")
_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::[^/\s\"']*)?(/[^\s\"'|;)]*)?")
_INNER_PORT = re.compile(r"(?:^|:)(?:\$\{[^}]*?:?-)?([0-9]{1,5})\}?(?:/tcp)?$")


@dataclass(frozen=True)
class Guess:
    """A value, and where it comes from."""

    value: str
    why: str


def app_name(folder: str) -> str:
    """A valid app name from a folder's name: `My_Shop.git` gives `my-shop`."""
    words = re.sub(r"[^a-z0-9]+", "-", folder.lower().removesuffix(".git")).strip("-")
    words = re.sub(r"^[0-9-]+", "", words)[:MAX_LENGTH].strip("-")
    return words or "app"


def detect(files: Mapping[str, bytes], app: str, branch: str = "main") -> str:
    """The text of a tidegate.yaml. `files` are the repository's by path; more than the Compose file are optional.

    Raises `FileMissing` when there is no Compose file with a service, `InvalidConfiguration` when it is not readable.
    """
    file = next((name for name in COMPOSE_FILES if name in files), None)
    root = parse(files[file], file) if file is not None else Node(1, 1, None)
    section = root.get("services")
    services = {name: node for name, _, node in section.entries() if SERVICE.fullmatch(name)} if section else {}
    if file is None or not services:
        raise FileMissing(
            "The repository has no compose.yaml with a service.",
            hint="Write one that `docker compose up` runs, such as: services: {web: {build: ., ports: ['8000:8000']}}",
        )
    service = _routed(services)
    node = services[service.value]
    dockerfile = _dockerfile(node, files)
    port, health = _port(node, dockerfile), _health(node, dockerfile, files)
    migrate = next((name for name in services if name.lower() in _MIGRATIONS and name != service.value), None)
    others = [name for name in services if name != service.value]
    return _TEMPLATE.format(
        app=app,
        app_value=_value(app),
        file=file,
        branch=_value(branch if is_branch(branch) else "main"),
        service=_value(service.value),
        service_why=service.why + (f"; there is also {', '.join(others[:8])}" if others else ""),
        port=port.value,
        port_why=port.why,
        health=_value(health.value),
        health_why=health.why,
        migrate=f"    migrate: {_value(migrate)} # run once, to its end\n" if migrate else "",
    )


def _routed(services: Mapping[str, Node]) -> Guess:
    """The service that people's requests go to."""
    built = [name for name, node in services.items() if node.get("build")]
    open_ones = [name for name, node in services.items() if node.get("ports") or node.get("expose")]
    for names, why in (
        ([name for name in built if name in open_ones], "it is built and has a port"),
        (built, "it is built"),
        (open_ones, "it has a port"),
        (list(services), "it is there"),
    ):
        if len(names) == 1:
            return Guess(names[0], why)
        if names:
            likely = [name for word in _LIKELY for name in names if name.lower() == word]
            return Guess((likely or names)[0], f"{why}, as others do: check it")
    raise ValueError("no services")


def _dockerfile(service: Node, files: Mapping[str, bytes]) -> str:
    """The text of the service's Dockerfile; empty when it has none."""
    build = service.get("build")
    if build is None:
        return ""
    context = (build.get("context") or build).text or "."
    named = build.get("dockerfile")
    path = posixpath.normpath(posixpath.join(context, named.text if named else "Dockerfile"))
    return files.get(path, b"").decode(errors="replace").replace("\r\n", "\n")


def _port(service: Node, dockerfile: str) -> Guess:
    for key in ("ports", "expose"):
        entries = service.get(key)
        for entry in entries.items() if entries else ():
            match = _INNER_PORT.search((entry.get("target") or entry).text)
            if match and _is_port(match[1]):
                return Guess(match[1], f"from {key}: of the Compose file")
    for number in _EXPOSE.findall(dockerfile):
        if _is_port(number):
            return Guess(number, "from EXPOSE in the Dockerfile")
    return Guess("8000", "NOT FOUND in any file: say which port the service listens on")


def _is_port(text: str) -> bool:
    return 1 <= int(text) <= 65535


def _health(service: Node, dockerfile: str, files: Mapping[str, bytes]) -> Guess:
    check = service.get("healthcheck")
    test = check.get("test") if check else None
    if test and (path := _path_in(" ".join([test.text, *(item.text for item in test.items())]))):
        return Guess(path, "from healthcheck: of the Compose file")
    for instruction in _HEALTHCHECK.findall(dockerfile):
        if path := _path_in(instruction):
            return Guess(path, "from HEALTHCHECK in the Dockerfile")
    found = dict(_literals(files))
    if found:
        path = min(found, key=lambda path: (_COMMON.index(path.removeprefix("/api")), path))
        return Guess(path, f"found in {_printable(found[path])}")
    return Guess("/health", "NOT FOUND in any file: the application must answer 200 there once it is ready")


def _path_in(text: str) -> str | None:
    for path in _URL.findall(text):
        if is_health_path(path):
            return str(path)
    return None


def _literals(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """(health path, file) for each text literal of that kind in the sources."""
    for file in sorted(files, reverse=True):
        for prefix, path in _LITERAL.findall(files[file]):
            yield (prefix + path).decode(), file


def _value(text: str) -> str:
    """A text in YAML: bare where nobody could read it as something else."""
    bare = _BARE.fullmatch(text) and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return text if bare else json.dumps(text)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:80]


_TEMPLATE = """\
# How {app} is delivered. What runs is in {file}, unchanged. Keys and defaults: docs/configuration.md,
# checked by `tidegate check`.
app: {app_value}

# Images stay in this machine's engine. To push them to a registry instead:
# artifact: {{registry: registry.example.com/{app}}}

environments:
  staging:
    branch: {branch}
    target: {{docker: local}}
{migrate}    routes:
      - host: staging.{app}.localhost
        service: {service} # {service_why}
        port: {port} # {port_why}
        health: {health} # {health_why}
        # idle-timeout: 75s   # how long the application keeps idle connections open: lets the router reuse them
    # replicas: {{{service}: 2}}

  production:
    promote: staging # the very images that passed staging
    target: {{docker: local}}
{migrate}    routes:
      - host: {app}.localhost
        service: {service}
        port: {port}
        health: {health}
"""
