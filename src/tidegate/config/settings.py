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
from tidegate.config.document import Node, parse
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
    lines += _together(file, root)
    if lines or model is None:
        details = sorted(dict.fromkeys(lines), key=lambda line: _position(file, line))
        raise InvalidConfiguration(f"{file} is not valid.", details=details)
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


def _together(file: str, root: Node) -> Iterator[str]:
    """What keys say together: promotions lead to an environment and end, no claim is made twice.

    It goes by what was written, so that it is told beside the faults of single keys.
    """
    promotions = {name: node.get("promote") for name, node in _environments(root)}
    sources = {name: promote.text for name, promote in promotions.items() if promote and promote.text}
    for name, promote in promotions.items():
        if name not in sources or promote is None:
            continue
        if sources[name] not in promotions:
            near = suggestion(sources[name], promotions)
            expected = f"{found(sources[name])}, expected one of {', '.join(promotions)}{near}"
            yield f"{file}:{promote.line}:{promote.column}: promote: {expected}"
        elif _circles(name, sources):
            circle = f"{name} would be promoted from itself; one environment must come first"
            yield f"{file}:{promote.line}:{promote.column}: promote: {circle}"
    claims: dict[str, str] = {}
    for node in _routes(root):
        try:
            claim = _route(RouteSection.model_validate(node.plain())).claim
        except ValidationError:
            continue
        where = f"{file}:{node.line}:{node.column}"
        if claim in claims:
            yield f"{where}: {claim} is routed already at {claims[claim]}, expected a host and path of its own"
        claims.setdefault(claim, where)


def _circles(name: str, sources: Mapping[str, str]) -> bool:
    seen: set[str] = set()
    step = sources[name]
    while step in sources and step not in seen and step != name:
        seen.add(step)
        step = sources[step]
    return step == name


def _routes(root: Node) -> Iterator[Node]:
    for _, environment in _environments(root):
        routes = environment.get("routes")
        yield from routes.items() if routes else ()


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


def _position(file: str, line: str) -> tuple[int, int]:
    row, column, _ = line.removeprefix(f"{file}:").split(":", 2)
    return int(row), int(column)
