"""tidegate.yaml as domain objects, checked as a whole.

All faults are told at once, each with its place. What concerns the Compose files is judged by
`tidegate.config.compose`, with `Settings.place` for where it stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import ValidationError

from tidegate.config import faults
from tidegate.config.document import Node, Path, parse
from tidegate.config.models import EnvironmentSection, RouteSection, TidegateFile
from tidegate.config.words import found, suggestion
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Strategy
from tidegate.domain.route import Balance, Route
from tidegate.errors import InvalidConfiguration, UnknownEnvironment


@dataclass(frozen=True)
class EnvironmentSettings:
    """One environment. `compose` empty means the repository's usual file, decided where it is read."""

    name: str
    branch: str | None = None
    promote: str | None = None
    target: Mapping[str, str] = field(default_factory=lambda: {"docker": "local"})
    compose: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)
    migrate: str | None = None
    strategy: Strategy = field(default_factory=Strategy)


@dataclass(frozen=True)
class Settings:
    """An app's tidegate.yaml."""

    app: str
    registry: str | None
    environments: Mapping[str, EnvironmentSettings]
    file: str = field(default="tidegate.yaml", compare=False)
    document: Node = field(default_factory=lambda: Node(1, 1, None), compare=False, repr=False)

    def environment(self, name: str) -> EnvironmentSettings:
        """One environment. Raises `UnknownEnvironment`."""
        if name not in self.environments:
            known = ", ".join(self.environments)
            raise UnknownEnvironment(
                f"{self.file} has no environment {name[:60]!r}{suggestion(name, self.environments)}",
                hint=f"It has: {known}.",
            )
        return self.environments[name]

    def default_environment(self) -> EnvironmentSettings:
        """The only one, or the only one that is not promoted to. Raises `UnknownEnvironment`."""
        candidates = [one for one in self.environments.values() if one.promote is None]
        if len(self.environments) == 1:
            candidates = list(self.environments.values())
        if len(candidates) != 1:
            known = ", ".join(self.environments)
            raise UnknownEnvironment(f"Which environment? {self.file} has: {known}.", hint="Name one of them.")
        return candidates[0]

    def name(self, environment: EnvironmentSettings) -> EnvironmentName:
        """The environment's full name."""
        return EnvironmentName(self.app, environment.name)

    def place(self, *path: str | int, key: bool = False) -> str:
        """Where something stands, as `file:line:column`; with `key`, where the last step's key does."""
        node = self.document.at(path, key=key)
        return f"{self.file}:{node.line}:{node.column}"


def load(content: bytes, file: str = "tidegate.yaml") -> Settings:
    """Read tidegate.yaml. Raises `InvalidConfiguration` with every fault in `details`."""
    root = parse(content, file)
    lines = list(_tags(file, root))
    data = root.plain()
    for name, environment in _environments(root):
        _keep_texts(environment, data["environments"][name])
    model: TidegateFile | None = None
    try:
        model = TidegateFile.model_validate(data)
    except ValidationError as error:
        lines += faults.lines(file, root, TidegateFile, error)
    lines += _together(file, root, model.environments if model else _valid(data))
    if lines or model is None:
        raise InvalidConfiguration(f"{file} is not valid.", details=sorted(lines, key=_position))
    environments = {name: _environment(name, section) for name, section in model.environments.items()}
    return Settings(model.app, model.artifact.registry, MappingProxyType(environments), file, root)


def _environment(name: str, section: EnvironmentSection) -> EnvironmentSettings:
    strategy = Strategy(
        kind=section.strategy,
        start_within=section.start_within,
        drain_requests=section.drain.requests,
        drain_websockets=section.drain.websockets,
        keep_warm=section.keep_warm,
    )
    return EnvironmentSettings(
        name=name,
        branch=section.branch,
        promote=section.promote,
        target=MappingProxyType({"docker": section.target.docker}),
        compose=tuple(section.compose or ()),
        env=MappingProxyType(section.env),
        routes=tuple(_route(route) for route in section.routes),
        replicas=MappingProxyType(section.replicas),
        migrate=section.migrate,
        strategy=strategy,
    )


def _route(section: RouteSection) -> Route:
    return Route(
        host=section.host,
        path=section.path,
        service=section.service,
        port=section.port,
        health=section.health,
        balance=Balance(section.balance),
        idle_timeout=section.idle_timeout,
    )


def _together(file: str, root: Node, valid: Mapping[str, EnvironmentSection]) -> Iterator[str]:
    """What keys say together: promotions lead to an environment and end, no claim is made twice."""
    known = [name for name, _ in _environments(root)]
    claims: dict[str, str] = {}
    for name, section in valid.items():
        at: Path = ("environments", name)
        if section.promote is not None:
            place = _place(file, root, (*at, "promote"))
            if section.promote not in known:
                near = suggestion(section.promote, known)
                yield f"{place}: promote: {found(section.promote)}, expected one of {', '.join(known)}{near}"
            elif _circles(name, valid):
                yield f"{place}: promote: {name} would be promoted from itself; one environment must come first"
        for index, route in enumerate(section.routes):
            where = _place(file, root, (*at, "routes", index))
            claim = _route(route).claim
            if claim in claims:
                yield f"{where}: {claim} is routed already at {claims[claim]}, expected a host and path of its own"
            claims.setdefault(claim, where)


def _circles(name: str, valid: Mapping[str, EnvironmentSection]) -> bool:
    seen: set[str] = set()
    step: str | None = name
    while step in valid and step not in seen:
        seen.add(step)
        step = valid[step].promote
        if step == name:
            return True
    return False


def _valid(data: object) -> dict[str, EnvironmentSection]:
    """The environments that are right on their own, in a file that is not: for the faults between them."""
    environments = data.get("environments") if isinstance(data, dict) else None
    valid = {}
    for name, section in environments.items() if isinstance(environments, dict) else ():
        try:
            valid[name] = EnvironmentSection.model_validate(section)
        except ValidationError:
            continue
    return valid


def _environments(root: Node) -> Iterator[tuple[str, Node]]:
    section = root.get("environments")
    for name, _, node in section.entries() if section else ():
        yield name, node


def _keep_texts(environment: Node, data: object) -> None:
    """A value for Compose is the text that was written: 1.10 is not 1.1, true not True."""
    env = environment.get("env")
    for key, _, node in env.entries() if env and isinstance(data, dict) else ():
        if isinstance(node.value, (bool, int, float)):
            data["env"][key] = node.text  # type: ignore[index]


def _tags(file: str, node: Node) -> Iterator[str]:
    if node.tag is not None:
        yield f"{file}:{node.line}:{node.column}: found the tag {node.tag[:60]!r}, expected plain YAML"
    for _, key, child in node.entries():
        yield from _tags(file, key)
        yield from _tags(file, child)
    for child in node.items():
        yield from _tags(file, child)


def _place(file: str, root: Node, path: Path) -> str:
    node = root.at(path)
    return f"{file}:{node.line}:{node.column}"


def _position(line: str) -> tuple[int, int]:
    _, row, column, _ = line.split(":", 3)
    return int(row), int(column)
