"""A rollout, told in order: preflight, then observe, plan, do one thing, and look again.

There is no script of a rollout and nothing to replay: what is to be done next always follows from what
is there now. So this may be killed anywhere and begun again anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.domain.action import Plan, RemoveEnvironment, Shift
from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Observation
from tidegate.domain.release import Release
from tidegate.engine.apply import Hands, failed_start
from tidegate.engine.observe import brought_up_to_date, observe
from tidegate.engine.outside import Memory, Outside, Tell
from tidegate.engine.probe import refuse_if_ended
from tidegate.engine.urls import route_summary
from tidegate.errors import NoEffect, RouteTaken, TidegateError
from tidegate.planning.desired import Desired
from tidegate.planning.plan import make_plan
from tidegate.ports.store import Intent
from tidegate.ports.target import RegistryAuth


@dataclass(frozen=True)
class View:
    """One look at an environment: what is wanted, what is there, and the plan between the two."""

    intent: Intent
    release: Release | None
    observed: Observation
    plan: Plan


def look(outside: Outside, environment: EnvironmentName, memory: Memory) -> View:
    """Observe and plan. It changes nothing and may be called from any thread."""
    kept = outside.store.intent(environment) or Intent()
    observed = observe(outside, environment, memory)
    intent = brought_up_to_date(kept, observed, outside.clock.now())
    observed = replace(observed, retired=intent.retired)
    release = None if intent.wanted is None else outside.store.release(environment, intent.wanted)
    plan = make_plan(Desired(release, intent.destroy), observed, outside.clock.now())
    return View(intent, release, observed, plan)


def preflight(
    outside: Outside,
    environment: EnvironmentName,
    memory: Memory,
    release: Release,
    auth: RegistryAuth | None,
    tell: Tell,
) -> None:
    """Have everything at hand before anything that runs is touched.

    Raises `ImageMissing` and the registry's errors for the new release, `RouteTaken` for its routes; that
    the serving release could not be started again is told as a warning.
    """
    images = frozenset(service.image for service in release.app_services)
    for image in sorted(images):
        outside.target.ensure_image(image, auth)
    memory.images = images
    _refuse_taken_routes(outside, environment, release)
    intent = outside.store.intent(environment) or Intent()
    if intent.serving is not None and intent.serving != release.number:
        serving = outside.store.release(environment, intent.serving)
        for image in sorted({s.image for s in serving.app_services}) if serving else ():
            try:
                outside.target.ensure_image(image, auth)
            except TidegateError as error:
                tell("warning", text=f"r{intent.serving} could not be started again once it is cold: {error}")


def _refuse_taken_routes(outside: Outside, environment: EnvironmentName, release: Release) -> None:
    wanted = {route.claim for route in release.configuration.routes}
    for other in outside.store.environments():
        if other == environment:
            continue
        for route in outside.router.observe(other).claims:
            if route.claim in wanted:
                raise RouteTaken(
                    f"{other} serves {route.claim} already",
                    hint=f"Give {environment} another host or path, or take the route from {other} first.",
                )


def bring(
    outside: Outside,
    environment: EnvironmentName,
    memory: Memory,
    tell: Tell,
    *,
    check: Callable[[], None],
    preempted: Callable[[], bool],
) -> None:
    """Bring the environment to its intent, one action at a time, until the plan is empty.

    `check` raises to stop the work while the old release still serves; once the traffic is shifted, only
    `preempted` ends it early, for newer work that waits. Raises what an action raises.
    """
    hands = Hands(outside, environment, memory, tell, check, preempted)
    done: Plan | None = None
    while True:
        view = look(outside, environment, memory)
        if keep(outside, environment, view.intent):
            tell("shifted", release=view.intent.serving, routes=[])
        if view.release is not None and (dead := failed_start(view.observed, memory, view.release)) is not None:
            refuse_if_ended(outside, view.release, dead)
        if not view.plan:
            return
        if done is not None and view.plan == done:
            raise NoEffect(f"{done.actions[0].what} in {environment} had no effect")
        action, done = view.plan.actions[0], view.plan
        began = outside.clock.monotonic()
        tell("step", what=action.what, why=action.why)
        hands.apply(action, view.observed, view.release, view.intent)
        seconds = round(outside.clock.monotonic() - began, 3)
        tell("done", what=action.what, seconds=seconds)
        if isinstance(action, Shift):
            memory.started = frozenset()
            after = replace(view.observed, traffic=action.table)
            if keep(outside, environment, brought_up_to_date(view.intent, after, outside.clock.now())):
                routes = [route_summary(route, outside.router) for route in action.table.claims]
                tell("shifted", release=action.release, routes=routes)
        if isinstance(action, RemoveEnvironment):
            return
        if preempted() and has_shifted(outside, environment):
            return


def keep(outside: Outside, environment: EnvironmentName, intent: Intent) -> bool:
    """Record what was seen of who serves and who retired; whether another release serves than was recorded.

    For the environment's owner only.
    """
    kept = outside.store.intent(environment)
    if kept is None or kept == intent:
        return False
    outside.store.set_intent(environment, intent)
    return kept.serving != intent.serving


def has_shifted(outside: Outside, environment: EnvironmentName) -> bool:
    """Whether the wanted release is the one that serves."""
    intent = outside.store.intent(environment)
    return intent is not None and intent.wanted is not None and intent.serving == intent.wanted
