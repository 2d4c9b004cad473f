"""init, check, schema: the commands about the repository's two files. They need no agent and no commit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cli.options import JSON, REPO
from tidegate.cli.parser import Parser
from tidegate.cli.text import clean, columns, write_json
from tidegate.errors import FileExists, FileMissing, InvalidConfiguration, TidegateError

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.config.compose import Definition
    from tidegate.config.settings import EnvironmentSettings, Settings

_SOURCES = frozenset(
    (".py", ".rb", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".go", ".java", ".kt", ".rs", ".php", ".cs", ".ex", ".exs")
)
_SKIPPED = frozenset(("node_modules", "vendor", "dist", "build", "target", "venv", "__pycache__", "tests", "test"))
_MOST_FILES = 2000
_LARGEST = 256 * 1024  # bytes


def register(program: Parser) -> None:
    """Add the commands."""
    program.add_command(init, REPO)
    program.add_command(check, REPO, JSON)
    program.add_command(schema)


def init(*, repo: Path) -> None:
    """Write an annotated tidegate.yaml that fits this repository. Never overwrites."""
    from tidegate.cli.workspace import COMPOSE_FILES, CONFIGURATION
    from tidegate.config.detect import app_name, detect

    repo = _root(repo, CONFIGURATION, *COMPOSE_FILES)
    path = repo / CONFIGURATION
    exists = FileExists(f"{path} is there already.", hint="tidegate check says whether it is right.")
    if path.exists() or path.is_symlink():
        raise exists
    text = detect(dict(_repository_files(repo)), app_name(repo.name), _branch(repo))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise exists from None
    except OSError as error:
        raise FileMissing(f"{path} cannot be written: {error.strerror}.") from error
    doubts = [line.strip() for line in text.splitlines() if "NOT FOUND" in line or "check it" in line]
    sys.stdout.write(
        f"wrote {path}\n"
        + "".join(f"  look at: {line}\n" for line in doubts)
        + "next:\n"
        + "  tidegate check            what Tidegate makes of both files\n"
        + "  git add tidegate.yaml && git commit -m 'Deliver with Tidegate'\n"
        + "  tidegate deploy staging\n"
    )


def check(*, repo: Path, as_json: bool) -> int:
    """Say every fault of tidegate.yaml and the Compose files, or what they make of each service."""
    from tidegate.cli.workspace import CONFIGURATION

    try:
        settings, definitions = _read(_root(repo, CONFIGURATION))
    except TidegateError as error:
        if not as_json:
            raise
        write_json({"valid": False, "faults": list(error.details), "error": error.to_payload()})
        return 1
    if as_json:
        environments = {one.name.environment: _as_data(one) for one in definitions}
        write_json({"valid": True, "app": settings.app, "environments": environments})
        return 0
    sys.stdout.write(f"{settings.app}: the files of the work tree are valid.\n")
    for definition in definitions:
        sys.stdout.write("\n" + "".join(f"{clean(line)}\n" for line in _as_lines(definition)))
    return 0


def schema() -> None:
    """Print the JSON Schema of tidegate.yaml, for editors."""
    import json

    from tidegate.config.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def _read(repo: Path) -> tuple[Settings, list[Definition]]:
    """Both files of the work tree. Raises `FileMissing`, `ToolMissing`, `InvalidConfiguration` with all faults."""
    from tidegate.bootstrap.repository import make_normalizer
    from tidegate.cli.workspace import CONFIGURATION
    from tidegate.config.compose import define, faults
    from tidegate.config.settings import load

    details: list[str] = []
    settings: Settings | None = None
    path = repo / CONFIGURATION
    if not path.is_file():
        raise FileMissing(f"{path} is not there.", hint="tidegate init writes one that fits this repository.")
    try:
        settings = load(path.read_bytes(), CONFIGURATION)
    except InvalidConfiguration as error:
        details += error.details
    files = _compose_of(repo, settings)
    details += faults({name: (repo / name).read_bytes() for named in files.values() for name in named})
    if details or settings is None:
        raise InvalidConfiguration("The files of the work tree are not valid.", details=details)
    definitions = []
    normals: dict[str, Mapping[str, Any]] = {}
    for name, environment in settings.environments.items():
        try:
            key = repr((files[name], sorted(environment.env.items())))
            if key not in normals:
                normals[key] = make_normalizer().normalize(repo, files[name], dict(environment.env))
            definitions.append(define(settings, environment, normals[key]))
        except InvalidConfiguration as error:
            details += error.details or [error.message]
    if details:
        raise InvalidConfiguration("The files of the work tree are not valid.", details=list(dict.fromkeys(details)))
    return settings, definitions


def _root(repo: Path, *marks: str) -> Path:
    """The nearest folder from `repo` upwards that holds one of `marks` or is a work tree's top; else `repo`."""
    absolute = repo.absolute()
    upwards = (absolute, *absolute.parents)
    return next((one for one in upwards if any((one / mark).exists() for mark in (*marks, ".git"))), absolute)


def _compose_of(repo: Path, settings: Settings | None) -> dict[str, list[str]]:
    """Compose files by environment; the usual one when tidegate.yaml does not say."""
    from tidegate.cli.workspace import compose_files
    from tidegate.config.settings import EnvironmentSettings

    environments: Mapping[str, EnvironmentSettings] = (
        settings.environments if settings else {"": EnvironmentSettings(name="")}
    )
    try:
        return {name: compose_files(repo, environment) for name, environment in environments.items()}
    except FileMissing as error:
        if settings is not None:
            raise FileMissing(error.message.replace("the commit", "the work tree"), hint=error.hint) from error
        return {}


def _as_lines(definition: Definition) -> Iterator[str]:
    yield f"{definition.name.environment}"
    replicas = {service.name: service.replicas for service in definition.services}
    rows = [
        (f"  {name}", str(part.role), f"x{replicas[name]}" if name in replicas else "", part.why)
        for name, part in definition.parts.items()
    ]
    yield from columns(rows)
    for route in definition.settings.routes:
        yield f"  route {route.claim} -> {route.service}:{route.port}, ready when {route.health} answers 200"
    if definition.settings.promote:
        yield f"  promoted from {definition.settings.promote}"
    for note in definition.notes:
        yield f"  note: {note}"


def _as_data(definition: Definition) -> dict[str, Any]:
    from dataclasses import asdict

    services = {service.name: service for service in definition.services}
    return {
        "services": {
            name: {
                "role": str(part.role),
                "why": part.why,
                "replicas": services[name].replicas if name in services else 0,
            }
            for name, part in definition.parts.items()
        },
        "builds": [asdict(build) for build in definition.builds],
        "routes": [asdict(route) for route in definition.settings.routes],
        "promote": definition.settings.promote,
        "notes": list(definition.notes),
    }


def _repository_files(repo: Path) -> Iterator[tuple[str, bytes]]:
    """Compose files, Dockerfiles and sources below `repo`, within bounds, never through a link."""
    from pathlib import Path

    from tidegate.cli.workspace import COMPOSE_FILES

    count = 0
    for folder, folders, names in os.walk(repo):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        for name in sorted(names):
            path = Path(folder, name)
            wanted = name in COMPOSE_FILES or "Dockerfile" in name or path.suffix in _SOURCES
            if not wanted or path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            count += 1
            if count > _MOST_FILES:
                return
            yield path.relative_to(repo).as_posix(), path.read_bytes()


def _branch(repo: Path) -> str:
    """The branch that is checked out, as git wrote it down; main when there is none to be seen."""
    try:
        head = (repo / ".git" / "HEAD").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "main"
    prefix = "ref: refs/heads/"
    return head.removeprefix(prefix) if head.startswith(prefix) else "main"
