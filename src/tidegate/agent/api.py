"""The agent's API: HTTP and JSON over its unix socket. It parses, calls a use case, and renders.

A rollout's events come as JSON lines, one an event; an empty line now and then shows that the agent lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, SecretStr

from tidegate import __version__
from tidegate.client.home import Home
from tidegate.client.protocol import API, API_HEADER, VERSION_HEADER
from tidegate.domain.names import MAX_LENGTH, NAME, EnvironmentName
from tidegate.domain.release import Artifact, Configuration
from tidegate.engine import describe
from tidegate.engine import requests as asked
from tidegate.engine.logs import log_lines
from tidegate.engine.outside import Outside
from tidegate.engine.owners import Owners
from tidegate.engine.story import Event
from tidegate.errors import InvalidRequest, TidegateError, UnknownEnvironment
from tidegate.ports.target import RegistryAuth

Name = Annotated[str, Path(pattern=rf"^{NAME.pattern}$", max_length=MAX_LENGTH)]
STATUS = {"unknown-environment": 404, "invalid-request": 422, "agent-version-mismatch": 426}


class Body(BaseModel):
    """What every request body has in common: nothing unknown in it."""

    model_config = ConfigDict(extra="forbid")


class Credentials(Body):
    """For the registry that an image may have to be pulled from."""

    registry: str
    username: str
    password: SecretStr


class Asked(Body):
    """A request for a change; see `tidegate.engine.requests.Request`."""

    what: Literal["deploy", "promote", "rollback", "destroy"]
    by: Annotated[str, Query(max_length=200)]
    why: Annotated[str, Query(max_length=2000)] = ""
    artifact: Artifact | None = None
    configuration: Configuration | None = None
    release: int | None = None
    volumes: bool = False
    auth: Credentials | None = None
    if_plan: str | None = None


class Planned(Body):
    """What a plan is wanted for."""

    artifact: Artifact
    configuration: Configuration


class Abort(Body):
    """Who stops a rollout."""

    by: Annotated[str, Query(max_length=200)]


class Stop(Body):
    """How to stop."""

    router: bool = False


class Api:
    """The application, and what it may tell the process around it."""

    def __init__(self, outside: Outside, owners: Owners, home: Home) -> None:
        self.stop_router = False
        self.on_stop: Callable[[], object] = lambda: None
        self._outside = outside
        self._owners = owners
        self._home = home
        app = self.application = FastAPI(title="Tidegate agent", version=__version__, docs_url=None, redoc_url=None)
        app.middleware("http")(speak_the_same_language)
        app.exception_handler(TidegateError)(render_error)
        app.exception_handler(RequestValidationError)(render_invalid)
        place = "/v1/environments/{app}/{environment}"
        app.get("/v1/agent")(self.agent)
        app.post("/v1/agent/stop")(self.stop)
        app.get("/v1/environments")(self.environments)
        app.get(place)(self.status)
        app.post(place + "/requests")(self.submit)
        app.post(place + "/plan")(self.plan)
        app.post(place + "/abort")(self.abort)
        app.get(place + "/releases")(self.releases)
        app.get(place + "/history")(self.history)
        app.get(place + "/volumes")(self.volumes)
        app.get(place + "/delivered/{commit}")(self.delivered)
        app.get(place + "/rollouts/{rollout}/events")(self.events)
        app.get(place + "/logs")(self.logs)

    def agent(self) -> dict[str, Any]:
        """Who answers here."""
        return {
            "version": __version__,
            "api": API,
            "pid": os.getpid(),
            "home": str(self._home.path),
            "log": str(self._home.log),
            "engine": self._outside.target.describe(),
            "router": self._outside.router.describe(),
            "environments": [str(owner.environment) for owner in self._owners.all()],
        }

    def stop(self, body: Stop) -> dict[str, Any]:
        """End the agent; with `router`, the router, too."""
        self.stop_router = body.router
        self.on_stop()
        return {"pid": os.getpid(), "router": body.router}

    def environments(self) -> list[dict[str, Any]]:
        """Every environment's status."""
        return [
            describe.status(self._outside, o.environment, o) for o in self._owners.all() if self._known(o.environment)
        ]

    def status(self, app: Name, environment: Name) -> dict[str, Any]:
        """One environment's status."""
        name = EnvironmentName(app, environment)
        return describe.status(self._outside, name, self._owners.owner(name))

    def submit(self, app: Name, environment: Name, body: Asked) -> StreamingResponse:
        """Ask for a change and follow it: JSON lines."""
        auth = None
        if body.auth is not None:
            auth = RegistryAuth(body.auth.registry, body.auth.username, body.auth.password.get_secret_value())
        fields = body.model_dump(exclude={"auth", "artifact", "configuration"})
        request = asked.Request(auth=auth, artifact=body.artifact, configuration=body.configuration, **fields)
        name = EnvironmentName(app, environment)
        if body.what == "rollback" and not self._known(name):
            raise UnknownEnvironment(f"nothing was deployed to {name}", hint=f"tidegate deploy {environment}")
        return lines(self._owners.submit(name, request).follow())

    def plan(self, app: Name, environment: Name, body: Planned) -> dict[str, Any]:
        """What a deployment would do."""
        name = EnvironmentName(app, environment)
        return describe.plan(self._outside, name, self._owners.owner(name), body.artifact, body.configuration)

    def abort(self, app: Name, environment: Name, body: Abort) -> dict[str, Any]:
        """Stop the rollout that runs, while the old release still serves."""
        owner = self._owners.owner(EnvironmentName(app, environment))
        return {"aborting": owner is not None and owner.abort(body.by)}

    def releases(self, app: Name, environment: Name) -> list[dict[str, Any]]:
        """All releases."""
        return describe.releases(self._outside, self._must_know(app, environment))

    def history(
        self, app: Name, environment: Name, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> list[dict[str, Any]]:
        """The audit log."""
        return describe.history(self._outside, EnvironmentName(app, environment), limit)

    def volumes(self, app: Name, environment: Name) -> list[str]:
        """The environment's volumes."""
        return list(self._outside.target.volumes(EnvironmentName(app, environment)))

    def delivered(self, app: Name, environment: Name, commit: Annotated[str, Path(max_length=64)]) -> dict[str, Any]:
        """Whether the environment runs this commit already."""
        name = EnvironmentName(app, environment)
        return describe.delivered(self._outside, name, commit, self._owners.owner(name))

    def events(self, app: Name, environment: Name, rollout: int, after: int = -1) -> StreamingResponse:
        """Follow a rollout: JSON lines, from the event after `after`."""
        name = EnvironmentName(app, environment)
        owner = self._owners.owner(name)
        story = owner.story(rollout) if owner else None
        if story is not None:
            return lines(story.follow(after))
        kept = self._outside.store.events(rollout)
        return lines(iter([dict(event) for event in kept if event["seq"] > after]))

    def logs(
        self,
        app: Name,
        environment: Name,
        service: str | None = None,
        tail: Annotated[int, Query(ge=0, le=100_000)] = 100,
        follow: bool = False,
    ) -> StreamingResponse:
        """Log lines of what serves: JSON lines."""
        name = self._must_know(app, environment)
        found = log_lines(self._outside, name, service=service, tail=tail, follow=follow)
        first = next(found, None)  # so that an error is an answer and not a broken stream
        return lines(_with_first(first, found))

    def _known(self, name: EnvironmentName) -> bool:
        return self._outside.store.intent(name) is not None

    def _must_know(self, app: str, environment: str) -> EnvironmentName:
        name = EnvironmentName(app, environment)
        if not self._known(name):
            raise UnknownEnvironment(f"nothing was deployed to {name}", hint=f"tidegate deploy {environment}")
        return name


def _with_first(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def lines(events: Iterator[Event | None] | Iterator[dict[str, str] | None]) -> StreamingResponse:
    """Events as JSON lines."""
    text = ("\n" if event is None else json.dumps(event) + "\n" for event in events)
    return StreamingResponse(text, media_type="application/x-ndjson")


async def speak_the_same_language(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse a peer that would misunderstand, and say who answers."""
    theirs = request.headers.get(API_HEADER, str(API))
    always = request.url.path in ("/v1/agent", "/v1/agent/stop")
    if theirs != str(API) and not always:
        payload = {"code": "agent-version-mismatch", "message": f"this agent is Tidegate {__version__}"}
        response: Response = JSONResponse({"error": payload}, status_code=426)
    else:
        response = await call(request)
    response.headers[API_HEADER] = str(API)
    response.headers[VERSION_HEADER] = __version__
    return response


def render_error(_: Request, error: Exception) -> JSONResponse:
    """The one place where the API renders errors."""
    assert isinstance(error, TidegateError)
    return JSONResponse({"error": error.to_payload()}, status_code=STATUS.get(error.code, 400))


def render_invalid(_: Request, error: Exception) -> JSONResponse:
    """What FastAPI found wrong with a request, without the values, which may be secret."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(p) for p in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse(
        {"error": InvalidRequest("the agent does not understand the request", details=faults).to_payload()},
        status_code=422,
    )
