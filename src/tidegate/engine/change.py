"""A request for a change, from its acceptance to its outcome, told in order.

First it is turned into an intent, which is all that a crash could lose; then the environment is brought to
the intent; and if that fails while the old release still serves, the old release is wanted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.engine.outside import Memory, Outside
from tidegate.engine.requests import Request, release_for, rollback_target, wanting
from tidegate.engine.rollout import bring, has_shifted, look, preflight
from tidegate.engine.story import Story
from tidegate.errors import InvalidRequest, StalePlan, TidegateError, UnknownEnvironment


@dataclass
class Work:
    """A request with its place in the audit log, or (without one) a rollout that was interrupted.

    `began` is a monotonic time in seconds; `release` is known once the request was accepted.
    """

    request: Request | None
    story: Story
    began: float
    release: int | None = None


class Change:
    """Carries out requests for one environment, one at a time, in its owner's thread.

    `check` raises to stop the work while the old release still serves; `preempted` says that newer work waits.
    """

    def __init__(
        self,
        outside: Outside,
        environment: EnvironmentName,
        memory: Memory,
        check: Callable[[], None],
        preempted: Callable[[], bool],
    ) -> None:
        self._outside = outside
        self._environment = environment
        self._memory = memory
        self._check = check
        self._preempted = preempted

    def carry_out(self, work: Work) -> str:
        """Do it; the outcome, `completed` or `unchanged`. Raises what stopped it."""
        self._memory.forget_attempts()
        if work.request is not None:
            if self._nothing_to_do(work, work.request):
                return "unchanged"
            self._accept(work, work.request)
        intent = self._outside.store.intent(self._environment)
        destroy = intent is not None and intent.destroy
        work.release = work.release or (intent.wanted if intent else None)
        bring(
            self._outside,
            self._environment,
            self._memory,
            work.story.tell,
            check=self._check,
            preempted=(lambda: False) if destroy else self._preempted,
        )
        if work.request is not None and intent is not None and intent.wanted is not None:
            self._remember(work.request, intent.wanted)
        if intent is not None and destroy:
            self._outside.target.remove_environment(self._environment, volumes=intent.volumes)
            self._outside.store.forget(self._environment)
        return "completed"

    def want_back(self, work: Work) -> int | None:
        """After a failure: before the shift, want again what serves, so that what was begun is cleared away.

        Returns the release that serves.
        """
        intent = self._outside.store.intent(self._environment)
        self._memory.forget_attempts()
        if intent is None:
            return None
        if intent.rollout == work.story.rollout and not has_shifted(self._outside, self._environment):
            back = replace(intent, wanted=intent.serving, destroy=False, volumes=False)
            self._outside.store.set_intent(self._environment, back)
        return intent.serving

    def _nothing_to_do(self, work: Work, request: Request) -> bool:
        if request.what == "destroy":
            return False
        release, new = self._release(request)
        intent = self._outside.store.intent(self._environment)
        if new or intent is None or not intent.wanted == intent.serving == release.number:
            return False
        if look(self._outside, self._environment, self._memory).plan:
            return False
        work.release = release.number
        self._remember(request, release.number)
        if request.artifact is not None and intent.commit != request.artifact.commit:
            self._outside.store.set_intent(self._environment, replace(intent, commit=request.artifact.commit))
        return True

    def _accept(self, work: Work, request: Request) -> None:
        """Turn the request into an intent. From here on a crash only delays it."""
        outside, tell = self._outside, work.story.tell
        if request.if_plan is not None:
            seen = look(outside, self._environment, self._memory).plan.observed
            if seen != request.if_plan:
                raise StalePlan(f"{self._environment} has changed since the plan {request.if_plan} was made")
        intent = outside.store.intent(self._environment)
        release = None
        if request.what == "destroy":
            self._refuse_unknown(intent is not None)
        else:
            release, new = self._release(request)
            work.release = release.number
            tell("release", release=release.number, commit=commit_of(request, release), new=new)
            began = outside.clock.monotonic()
            preflight(outside, self._environment, self._memory, release, request.auth, tell)
            tell("done", what="preflight", seconds=round(outside.clock.monotonic() - began, 3))
            if new:
                outside.store.add_release(release)
        outside.store.set_intent(self._environment, wanting(intent, request, release, work.story.rollout))

    def _refuse_unknown(self, known: bool) -> None:
        there = self._outside.target
        if not known and self._environment not in there.environments() and not there.volumes(self._environment):
            raise UnknownEnvironment(
                f"there is nothing of {self._environment} here", hint="tidegate status --all shows what there is."
            )

    def _release(self, request: Request) -> tuple[Release, bool]:
        store, now = self._outside.store, self._outside.clock.now()
        if request.what == "rollback":
            return rollback_target(store, self._environment, request.release), False
        if request.artifact is None or request.configuration is None:
            raise InvalidRequest(f"a {request.what} needs an artifact and a configuration")
        return release_for(store, self._environment, request.artifact, request.configuration, by=request.by, now=now)

    def _remember(self, request: Request, number: int) -> None:
        artifact = request.artifact
        if artifact is not None and not artifact.dirty:
            self._outside.store.record_delivery(self._environment, artifact.commit, number)


def commit_of(request: Request, release: Release) -> str:
    """The commit that is asked for: the release's own may be an older one that made the same."""
    return request.artifact.commit if request.artifact is not None else release.artifact.commit


def outcome_of(error: TidegateError) -> str:
    """What the audit log calls an end by this error."""
    return error.code if error.code in ("aborted", "superseded") else "failed"
