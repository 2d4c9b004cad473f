"""What people ask of an environment, and how a request becomes a release to be wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.errors import NoSuchRelease, NothingToRollBack
from tidegate.ports.store import Intent, Store
from tidegate.ports.target import RegistryAuth

What = Literal["deploy", "promote", "rollback", "destroy"]


@dataclass(frozen=True)
class Request:
    """`by` and `why` are for the audit log. A deployment and a promotion bring `artifact` and
    `configuration`; a rollback may name its `release`; `if_plan` is the fingerprint of the plan that the
    asker has seen and means.
    """

    what: What
    by: str
    why: str = ""
    artifact: Artifact | None = None
    configuration: Configuration | None = None
    release: int | None = None
    volumes: bool = False
    auth: RegistryAuth | None = None
    if_plan: str | None = None


def same_release(artifact: Artifact, configuration: Configuration) -> str:
    """Equal for the same bits configured alike, whichever commit they came from."""
    return fingerprint({"images": artifact.images, "configuration": configuration})


def release_for(
    store: Store,
    environment: EnvironmentName,
    artifact: Artifact,
    configuration: Configuration,
    *,
    by: str,
    now: datetime,
) -> tuple[Release, bool]:
    """The release that this is, and whether it is new (then it is not kept yet)."""
    mark = same_release(artifact, configuration)
    known = next((r for r in reversed(store.releases(environment)) if r.fingerprint == mark), None)
    if known is not None:
        return known, False
    number = store.next_number(environment)
    return Release(environment, number, artifact, configuration, mark, created_at=now, created_by=by), True


def rollback_target(store: Store, environment: EnvironmentName, number: int | None) -> Release:
    """The release to go back to: the one asked for, or the one that served last before this one.

    Raises `NoSuchRelease`, `NothingToRollBack`.
    """
    intent = store.intent(environment) or Intent()
    if number is not None:
        found = store.release(environment, number)
        if found is None:
            raise NoSuchRelease(f"{environment} has no release r{number}")
        return found
    served = [number for number in served_before(store, environment, intent) if number != intent.serving]
    for candidate in served:
        found = store.release(environment, candidate)
        if found is not None:
            return found
    raise NothingToRollBack(
        f"{environment} has no earlier release that served",
        hint="Deploy a commit that is known to be good: git checkout COMMIT, tidegate deploy.",
    )


def served_before(store: Store, environment: EnvironmentName, intent: Intent) -> list[int]:
    """Releases that served, the last first: the warm ones, then by the history, then by number."""
    warm = sorted(intent.retired, key=lambda n: (intent.retired[n], n), reverse=True)
    told = [
        entry.release
        for entry in store.history(environment)
        if entry.release is not None and entry.outcome == "completed"
    ]
    below = [r.number for r in reversed(store.releases(environment)) if r.number < (intent.serving or 0)]
    return list(dict.fromkeys([*warm, *told, *(below if not told else [])]))


def wanting(intent: Intent | None, request: Request, release: Release | None, rollout: int) -> Intent:
    """The intent that the request makes of the present one."""
    present = intent or Intent()
    return replace(
        present,
        wanted=None if release is None else release.number,
        rollout=rollout,
        destroy=request.what == "destroy",
        volumes=request.volumes,
    )
