"""Look at an environment: target and router as they are, and what only the agent remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tidegate.domain.names import EnvironmentName
from tidegate.domain.observation import Observation
from tidegate.engine.outside import Memory, Outside
from tidegate.ports.store import Intent


def observe(outside: Outside, environment: EnvironmentName, memory: Memory) -> Observation:
    """Everything that a plan is made from."""
    there = outside.target.observe(environment)
    intent = outside.store.intent(environment) or Intent()
    return Observation(
        network=there.network,
        release_networks=there.release_networks,
        replicas=there.replicas,
        accessories=there.accessories,
        traffic=outside.router.observe(environment),
        open_work=outside.router.open_work(environment),
        verified=memory.verified,
        retired=intent.retired,
    )


def brought_up_to_date(intent: Intent, observed: Observation, now: datetime) -> Intent:
    """The intent's memory of who serves and who retired, in line with what is seen.

    The router is changed first and this is written after, so a crash between the two is made good here.
    """
    present = {replica.release for replica in observed.replicas}
    retired = {number: at for number, at in intent.retired.items() if number in present}
    if intent.wanted is None or observed.serving != {intent.wanted} or intent.serving == intent.wanted:
        return replace(intent, retired=retired)
    if intent.serving is not None and intent.serving in present:
        retired[intent.serving] = now
    retired.pop(intent.wanted, None)
    return replace(intent, serving=intent.wanted, retired=retired)
