"""What people ask of an environment, and how a request becomes a release to be wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tidegate.domain.fingerprint import fingerprint
from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Artifact, Configuration, Release
from tidegate.errors import NoSuchRelease, NothingToRollBack
from tidegate.ports.store import HistoryEntry, Intent, Store
from tidegate.ports.target import RegistryAuth

HISTORY = 1000  # entries of the audit log that a rollback looks back over

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
    """The release to go back to: the one asked for, or the one that served before this one was deployed.

    Raises `NoSuchRelease`, `NothingToRollBack`.
    """
    intent = store.intent(environment) or Intent()
    if number is not None:
        found = store.release(environment, number)
        if found is None:
            raise NoSuchRelease(f"{environment} has no release r{number}")
        return found
    for candidate in ways_back(store.history(environment, limit=HISTORY), intent):
        found = store.release(environment, candidate)
        if found is not None:
            return found
    raise NothingToRollBack(
        f"{environment} has no earlier release that served",
        hint="Name one of tidegate releases, or deploy a commit that is known to be good.",
    )


def ways_back(history: Sequence[HistoryEntry], intent: Intent) -> list[int]:
    """Releases to go back to, the nearest first. `history` is the newest first.

    What was rolled back from is not a way back: two rollbacks in a row go back two releases. Without a history
    (it was lost) the releases that are still warm are, the last to serve first.
    """
    served: list[int] = []
    for entry in reversed(history):
        if entry.release is None or entry.outcome != "completed":
            continue
        if entry.what == "rollback" and entry.release in served:
            served = served[: served.index(entry.release) + 1]
        else:
            served = [*(number for number in served if number != entry.release), entry.release]
    warm = sorted(intent.retired, key=lambda number: (intent.retired[number], number))
    return [number for number in reversed(served or warm) if number != intent.serving]


def wanting(intent: Intent | None, request: Request, release: Release | None, rollout: int) -> Intent:
    """The intent that the request makes of the present one."""
    present = intent or Intent()
    return replace(
        present,
        wanted=None if release is None else release.number,
        rollout=rollout,
        commit=(request.artifact or release.artifact).commit if release is not None else None,
        destroy=request.what == "destroy",
        volumes=request.volumes,
    )
