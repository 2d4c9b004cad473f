"""What tidegate.yaml may say: one pydantic model a section, the source of the JSON Schema too.

Only shapes and values of single keys are judged here; what keys say together is `settings`' matter. A key that
is planned but not built yet is in `not_yet`, so that it is refused by its name instead of as a slip of the pen.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tidegate.config.words import DURATION_EXPECTED, DURATION_PATTERN, duration, found
from tidegate.domain.names import MAX_LENGTH, NAME, RULE, SERVICE, is_name

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~@:+,=%/-]{0,1023}")
_HEALTH = re.compile(r"/[A-Za-z0-9._~@:+,=%/&?-]{0,1023}")
_REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = re.compile(r"(COMPOSE|DOCKER|BUILDKIT|BUILDX)_")
_FILE = re.compile(r"[^\x00-\x1f\\:]+")
_BRANCH = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,199}")
_LATER = "it is not supported by this version yet; leave it out"


def is_health_path(text: str) -> bool:
    """Whether `text` may be a route's `health`."""
    return _HEALTH.fullmatch(text) is not None


def is_branch(text: str) -> bool:
    """Whether `text` is a branch's name that needs no quoting in YAML."""
    return _BRANCH.fullmatch(text) is not None


def _text(rule: Callable[[str], str | None], expected: str) -> BeforeValidator:
    """Judges texts: `rule` gives the normal form, or None where the text is not as `expected`."""

    def check(value: object) -> str:
        normal = rule(value) if isinstance(value, str) else None
        if normal is None:
            raise ValueError(f"{found(value)}, expected {expected}")
        return normal

    return BeforeValidator(check)


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def _name(text: str) -> str | None:
    return text if is_name(text) else None


def _value(text: str) -> str | None:
    return None if "\x00" in text else text


def _host(text: str) -> str | None:
    host = text.lower().removesuffix(".")
    return host if host == "*" or _HOST.fullmatch(host) else None


def _url_path(text: str) -> str | None:
    plain = _URL_PATH.fullmatch(text) and "//" not in text and not {".", ".."} & set(text.split("/"))
    return (text.rstrip("/") or "/") if plain else None


def _file(text: str) -> str | None:
    """A path inside the repository, normalised."""
    path = posixpath.normpath(text) if text else ""
    inside = path not in ("", ".", "..") and not path.startswith(("/", "../", "-", "~"))
    return path if inside and _FILE.fullmatch(path) else None


def _variable(text: str) -> str | None:
    return text if _VARIABLE.fullmatch(text) and not _RESERVED.match(text) else None


def _docker(value: object) -> object:
    if isinstance(value, str) and value.startswith("ssh://"):
        raise ValueError(f"{found(value)}: Docker over ssh is not supported by this version yet, expected 'local'")
    return value


def _strategy(value: object) -> object:
    later = value if isinstance(value, str) else next(iter(value), None) if isinstance(value, dict) else None
    if later in ("canary", "rolling"):
        raise ValueError(f"the strategy {later} comes later, expected 'blue-green'")
    return value


Name = Annotated[str, _text(_name, RULE), _pattern(f"^(?=.{{1,{MAX_LENGTH}}}$){NAME.pattern}$")]
ServiceName = Annotated[
    str, _text(_matching(SERVICE), "the name of a Compose service"), _pattern(f"^{SERVICE.pattern}$")
]
Host = Annotated[
    str, _text(_host, "a host name without scheme, port or path, such as shop.example.com, or '*' for any")
]
UrlPath = Annotated[str, _text(_url_path, "a path such as / or /api, without a query, '//' or '..'"), _pattern("^/")]
HealthPath = Annotated[str, _text(_matching(_HEALTH), "a path such as /health"), _pattern("^/")]
Registry = Annotated[
    str,
    _text(_matching(_REGISTRY), "a repository such as registry.example.com/shop, in lower case, without scheme or tag"),
]
File = Annotated[str, _text(_file, "a path inside the repository such as compose.production.yaml")]
Variable = Annotated[
    str,
    _text(
        _variable,
        "a variable's name: letters, digits and '_', not beginning with COMPOSE_, DOCKER_, BUILDKIT_ or BUILDX_",
    ),
    _pattern(f"^{_VARIABLE.pattern}$"),
]
Value = Annotated[str, _text(_value, "a text"), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Duration = Annotated[
    float,
    BeforeValidator(duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "description": DURATION_EXPECTED}),
]


def _lasting(default: str, description: str) -> Any:
    return Field(duration(default), description=description, json_schema_extra={"default": default})


class Section(BaseModel):
    """A mapping whose keys are all known. Keys are written with dashes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )
    not_yet: ClassVar[dict[str, str]] = {}
    missing: ClassVar[dict[str, str]] = {}

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys as they are written."""
        return tuple(str(field.alias) for field in cls.model_fields.values())


class ArtifactSection(Section):
    """Where the images built from a commit go."""

    registry: Registry | None = Field(
        None,
        description="The repository that images are pushed to. Without it they stay in the engine's own store.",
        examples=["registry.example.com/shop"],
    )


class TargetSection(Section):
    """What runs the containers."""

    docker: Annotated[Literal["local"], BeforeValidator(_docker)] = Field(
        "local", description="The Docker Engine of this machine: local.", examples=["local"]
    )
    not_yet = {"swarm": _LATER, "kubernetes": _LATER}


class RouteSection(Section):
    """Which requests go to which service."""

    host: Host = Field("*", description="The host name asked for; '*' is any that no other route names.")
    path: UrlPath = Field("/", description="Requests under this path, whole segments; the longest match wins.")
    service: ServiceName = Field(description="The Compose service that answers.", examples=["web"])
    port: int = Field(ge=1, le=65535, description="The port it listens on inside its container.", examples=[8000])
    health: HealthPath = Field(
        description="A release gets traffic only once GET of this path answers 200 on every replica.",
        examples=["/health"],
    )
    balance: Literal["round-robin", "least-connections"] = Field(
        "round-robin", description="How requests are spread over replicas."
    )
    idle_timeout: Duration | None = Field(
        None,
        description="How long the application keeps an idle connection open. Declared, the router reuses connections "
        "safely below it; unknown, it opens one a request.",
        examples=["75s"],
    )
    missing = {
        "service": "a route needs the Compose service that answers, such as service: web",
        "port": "a route needs the port that its service listens on, such as port: 8000",
        "health": "a route needs a health path, such as health: /health: a release gets no traffic before GET of "
        "that path answers 200, and without one a broken release could not be told from a good one",
    }


class DrainSection(Section):
    """How long the old release may finish what it has after traffic has left it."""

    requests: Duration = _lasting("30s", "For requests under way.")
    websockets: Duration = _lasting("5m", "For WebSockets and other upgraded connections.")


class EnvironmentSection(Section):
    """A place where the app runs."""

    branch: str | None = Field(
        None, min_length=1, description="The branch whose commits are meant for it. For people; nothing goes by it yet."
    )
    promote: Name | None = Field(
        None,
        description="The environment whose running images this one is given: the very digests that passed there.",
        examples=["staging"],
    )
    target: TargetSection = Field(
        default_factory=lambda: TargetSection(docker="local"),
        description="What runs the containers. Default: {docker: local}.",
    )
    compose: Annotated[list[File], Field(min_length=1)] | None = Field(
        None,
        description="Compose files in the order they are merged. Default: the repository's compose.yaml, compose.yml, "
        "docker-compose.yaml or docker-compose.yml. compose.override.yaml and .env are never read.",
        examples=[["compose.yaml", "compose.production.yaml"]],
    )
    env: dict[Variable, Value] = Field(
        {}, description="Values for ${VARIABLES} in the Compose files; the shell's never leak in. Not for secrets."
    )
    routes: list[RouteSection] = Field([], description="Which requests go to which service.")
    replicas: dict[ServiceName, Annotated[int, Field(ge=1, le=100)]] = Field(
        {}, description="How many containers of an app service. Default: what the Compose file says, else 1."
    )
    migrate: ServiceName | None = Field(
        None,
        description="The Compose service that migrates the database: a job, not kept running. Running it comes later.",
    )
    strategy: Annotated[Literal["blue-green"], BeforeValidator(_strategy)] = Field(
        "blue-green", description="How a release takes over: started beside the old one, then all traffic at once."
    )
    start_within: Duration = _lasting("60s", "From a container's start to its first 200.")
    drain: DrainSection = Field(
        default_factory=DrainSection, description="How long the old release may finish what it has."
    )
    keep_warm: Duration = _lasting("10m", "How long the old release stays ready to take the traffic back.")
    not_yet = {"approval": _LATER, "secrets": _LATER, "gates": _LATER, "watch": _LATER, "canary": _LATER}


class TidegateFile(Section):
    """How an app is delivered: tidegate.yaml beside compose.yaml."""

    app: Name = Field(description="The app's name; containers, networks and volumes are named after it.")
    artifact: ArtifactSection = Field(
        default_factory=lambda: ArtifactSection(registry=None), description="Where built images go."
    )
    environments: Annotated[dict[Name, EnvironmentSection], Field(min_length=1)] = Field(
        description="The places where the app runs, by name."
    )
    not_yet = {"pipeline": _LATER, "gates": _LATER}
    missing = {
        "app": f"expected app: NAME ({RULE})",
        "environments": "expected at least one environment; tidegate init writes a file to begin with",
    }
