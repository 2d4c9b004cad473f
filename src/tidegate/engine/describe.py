"""Answers to questions about an environment, as JSON objects. They look and change nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tidegate.domain.action import Plan
from tidegate.domain.names import EnvironmentName, replica_name
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.engine.observe import observe
from tidegate.engine.outside import Memory, Outside
from tidegate.engine.owner import Owner
from tidegate.engine.requests import release_for
from tidegate.engine.rollout import View, look
from tidegate.engine.urls import route_summary
from tidegate.errors import UnknownEnvironment
from tidegate.planning.desired import Desired
from tidegate.planning.plan import make_plan
from tidegate.ports.store import Intent


def status(outside: Outside, environment: EnvironmentName, owner: Owner | None) -> dict[str, Any]:
    """What runs, what serves, what is under way, and what is wrong. Raises `UnknownEnvironment`."""
    intent = outside.store.intent(environment)
    if intent is None or owner is None:
        raise UnknownEnvironment(
            f"nothing was deployed to {environment}", hint=f"tidegate deploy {environment.environment}"
        )
    view = look(outside, environment, owner.memory)
    serving = sorted({s.release for s in view.observed.traffic.serving})
    return {
        "app": environment.app,
        "environment": environment.environment,
        "wanted": intent.wanted,
        "serving": serving,
        "commit": intent.commit or (view.release.artifact.commit if view.release else None),
        "release": None if view.release is None else release_summary(view.release),
        "rollout": owner.running,
        "satisfied": not view.plan,
        "trouble": owner.trouble.to_payload() if owner.trouble else None,
        "replicas": [_replica(environment, view, r.key, outside) for r in view.observed.replicas],
        "accessories": [
            {"service": a.service, "phase": a.phase, "healthy": a.healthy} for a in view.observed.accessories
        ],
        "routes": [route_summary(e.route, outside.router) for e in view.observed.traffic.routes],
    }


def _replica(environment: EnvironmentName, view: View, key: tuple[int, str, int], outside: Outside) -> dict[str, Any]:
    replica = next(r for r in view.observed.replicas if r.key == key)
    serves = any((s.release, s.service, s.index) == key for s in view.observed.traffic.serving)
    warm_until = None
    if replica.release in view.observed.retired and view.release is not None:
        warm_for = timedelta(seconds=view.release.configuration.strategy.keep_warm)
        warm_until = (view.observed.retired[replica.release] + warm_for).isoformat(timespec="seconds")
    return {
        "name": replica_name(environment, *key),
        "release": replica.release,
        "service": replica.service,
        "phase": replica.phase,
        "exit_code": None if replica.running else replica.exit_code,
        "address": replica.address,
        "serving": serves,
        "warm_until": warm_until,
    }


def release_summary(release: Release) -> dict[str, Any]:
    """One line of `tidegate releases`."""
    return {
        "number": release.number,
        "commit": release.artifact.commit,
        "dirty": release.artifact.dirty,
        "images": dict(release.artifact.images),
        "created_at": release.created_at.isoformat(timespec="seconds"),
        "created_by": release.created_by,
    }


def releases(outside: Outside, environment: EnvironmentName) -> list[dict[str, Any]]:
    """All releases, the newest first, with what each is doing."""
    intent = outside.store.intent(environment) or Intent()
    present = {r.release for r in outside.target.observe(environment).replicas}
    told = []
    for release in reversed(outside.store.releases(environment)):
        state = "serving" if release.number == intent.serving else "warm" if release.number in present else "cold"
        told.append({**release_summary(release), "state": state})
    return told


def history(outside: Outside, environment: EnvironmentName, limit: int) -> list[dict[str, Any]]:
    """The audit log, the newest first."""
    return [
        {
            "rollout": entry.id,
            "at": entry.at.isoformat(timespec="seconds"),
            "by": entry.by,
            "what": entry.what,
            "why": entry.why,
            "release": entry.release,
            "outcome": entry.outcome,
            "error": entry.error,
            "seconds": entry.seconds,
        }
        for entry in outside.store.history(environment, limit)
    ]


def delivered(outside: Outside, environment: EnvironmentName, commit: str, owner: Owner | None) -> dict[str, Any]:
    """Whether a clean commit is what the environment runs already: then a deployment has nothing to do."""
    number = outside.store.delivered(environment, commit)
    intent = outside.store.intent(environment)
    if number is None or intent is None or owner is None or not (intent.wanted == intent.serving == number):
        return {"release": number, "satisfied": False}
    view = look(outside, environment, owner.memory)
    routes = [route_summary(e.route, outside.router) for e in view.observed.traffic.routes]
    return {"release": number, "satisfied": not view.plan, "routes": routes}


def plan(
    outside: Outside,
    environment: EnvironmentName,
    owner: Owner | None,
    artifact: Artifact,
    configuration: Configuration,
) -> dict[str, Any]:
    """The plan that a deployment would begin with; nothing is changed."""
    now = outside.clock.now()
    release, new = release_for(outside.store, environment, artifact, configuration, by="", now=now)
    observed = observe(outside, environment, owner.memory if owner else Memory())
    return {
        "release": release.number,
        "new": new,
        "serving": sorted({s.release for s in observed.traffic.serving}),
        **plan_summary(make_plan(Desired(release), observed, now)),
    }


def plan_summary(made: Plan) -> dict[str, Any]:
    """A plan for people and machines."""
    return {
        "fingerprint": made.observed,
        "actions": [{"action": type(a).__name__, "what": a.what, "why": a.why} for a in made.actions],
    }
