"""The one writer of an environment: a thread that takes requests, rolls out, and tends in between.

One request runs; one may wait, and a newer one takes its place. What is running is never interrupted
before it has shifted (but by `abort`), and what follows the shift gives way to what waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from tidegate.domain.names import EnvironmentName
from tidegate.domain.release import Release
from tidegate.engine.outside import Memory, Outside, tell_nobody
from tidegate.engine.requests import Request, release_for, rollback_target, wanting
from tidegate.engine.rollout import bring, has_shifted, look, preflight
from tidegate.engine.story import Story
from tidegate.errors import Aborted, InternalError, PermanentError, StalePlan, Superseded, TidegateError

PULSE = 60.0  # seconds after which it looks again though nothing was heard
PATIENCE = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds between attempts to mend what will not be mended


@dataclass
class Work:
    """A request with its place in the audit log, or (without one) a rollout that was interrupted."""

    request: Request | None
    story: Story
    began: float


class Owner:
    """Owns one environment from the agent's start to its end, or to the environment's."""

    def __init__(
        self,
        outside: Outside,
        environment: EnvironmentName,
        *,
        report: Callable[[BaseException], None],
        gone: Callable[[EnvironmentName], None],
    ) -> None:
        self.environment = environment
        self.memory = Memory()
        self.trouble: TidegateError | None = None  # why the last attempt to mend failed
        self._outside = outside
        self._report = report
        self._gone = gone
        self._lock = threading.Condition()
        self._running: Work | None = None
        self._waiting: Work | None = None
        self._stories: dict[int, Story] = {}
        self._settling: Story | None = None
        self._aborted = False
        self._nudged = True  # look once at the start
        self._stopping = False
        self._ended = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"owner-{environment.slug}", daemon=True)

    # --- what others call ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def resume(self) -> None:
        """Let an unfinished rollout go on by itself; to be called before `start`."""
        intent = self._outside.store.intent(self.environment)
        open_ids = [e.id for e in self._outside.store.history(self.environment) if e.outcome is None]
        for rollout in open_ids:
            if intent is not None and rollout == intent.rollout:
                self._waiting = Work(None, self._story(rollout), self._outside.clock.monotonic())
                self._waiting.story.tell("resumed")
            else:
                self._outside.store.finish(rollout, outcome="superseded", error="superseded", seconds=0.0)

    def submit(self, request: Request) -> Story | None:
        """Take a request; its story begins at once and is told from the owner's thread.

        None: this owner has come to its end, and the environment needs a new one.
        """
        if self._ended:
            return None
        outside = self._outside
        rollout = outside.store.begin(
            self.environment, at=outside.clock.now(), by=request.by, what=request.what, why=request.why, release=None
        )
        work = Work(request, self._story(rollout), outside.clock.monotonic())
        work.story.tell("accepted", what=request.what, environment=str(self.environment), by=request.by)
        with self._lock:
            if self._ended:
                return None
            replaced, self._waiting = self._waiting, work
            ahead = self._running
            self._lock.notify_all()
        if replaced is not None:
            self._end(replaced, Superseded(f"a newer {request.what} by {request.by} took its place"))
        if ahead is not None:
            asked = ahead.request
            work.story.tell(
                "waiting",
                behind=asked.what if asked else "an interrupted rollout",
                by=asked.by if asked else "",
                rollout_ahead=ahead.story.rollout,
            )
        return work.story

    def abort(self) -> bool:
        """Stop the rollout that runs, as long as the old release still serves. False: there is none."""
        with self._lock:
            running = self._running is not None and not has_shifted(self._outside, self.environment)
            self._aborted = running
        return running

    def nudge(self) -> None:
        """Something happened outside: look again."""
        with self._lock:
            self._nudged = True
            self._lock.notify_all()

    def stop(self, timeout: float) -> None:
        """End after the present action; the rollout goes on with the next agent."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        self._thread.join(timeout)

    def story(self, rollout: int) -> Story | None:
        """A rollout's story, as long as it is remembered here."""
        return self._stories.get(rollout)

    @property
    def running(self) -> int | None:
        """The rollout that runs now."""
        work = self._running
        return None if work is None else work.story.rollout

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                if not (self._waiting or self._nudged or self._stopping):
                    self._lock.wait(self._until_due())
                if self._stopping:
                    return
                self._running, self._waiting = self._waiting, None
                self._nudged = self._aborted = False
                work = self._running
            try:
                if work is not None:
                    self._settle()
                    self._carry_out(work)
                else:
                    self._tend()
            except Stopping:
                return
            except Exception as error:  # a fault of our own must not end the owner
                self._report(error)
                if work is not None:
                    self._end(work, InternalError(f"{type(error).__name__} while rolling out"))
            finally:
                with self._lock:
                    self._running = None
            if self._come_to_its_end():
                return

    def _come_to_its_end(self) -> bool:
        with self._lock:
            self._ended = self._outside.store.intent(self.environment) is None and self._waiting is None
        if self._ended:
            self._settle()
            self._gone(self.environment)
        return self._ended

    def _carry_out(self, work: Work) -> None:
        outside, story = self._outside, work.story
        self.memory.started = frozenset()
        try:
            if work.request is not None:
                if self._nothing_to_do(work, work.request):
                    return
                self._accept(work, work.request)
            self._bring(story, preemptible=not self._wants_destruction())
        except TidegateError as error:
            self._fail(work, error)
            return
        except Stopping:
            raise
        except Exception as error:
            self._report(error)
            self._fail(work, InternalError(f"{type(error).__name__} while rolling out {self.environment}"))
            return
        if self._wants_destruction():
            outside.target.remove_environment(self.environment, volumes=self._wants_volumes_gone())
            outside.store.forget(self.environment)
        self._end(work, None)

    def _wants_volumes_gone(self) -> bool:
        intent = self._outside.store.intent(self.environment)
        return intent is not None and intent.volumes

    def _wants_destruction(self) -> bool:
        intent = self._outside.store.intent(self.environment)
        return intent is not None and intent.destroy

    def _nothing_to_do(self, work: Work, request: Request) -> bool:
        """Close a request that the environment satisfies already."""
        if request.what == "destroy":
            return False
        release, new = self._release(request)
        intent = self._outside.store.intent(self.environment)
        if new or intent is None or not intent.wanted == intent.serving == release.number:
            return False
        if look(self._outside, self.environment, self.memory).plan:
            return False
        self._remember(request, release)
        self._end(work, None, outcome="unchanged", release=release.number)
        return True

    def _accept(self, work: Work, request: Request) -> None:
        """Turn the request into an intent. From here on a crash only delays it."""
        outside, story = self._outside, work.story
        if request.if_plan is not None:
            seen = look(outside, self.environment, self.memory).plan.observed
            if seen != request.if_plan:
                raise StalePlan(f"{self.environment} has changed since the plan {request.if_plan} was made")
        release = None
        if request.what != "destroy":
            release, new = self._release(request)
            story.tell("release", release=release.number, commit=release.artifact.commit, new=new)
            began = outside.clock.monotonic()
            preflight(outside, self.environment, release, request.auth, story.tell)
            story.tell("done", what="preflight", seconds=round(outside.clock.monotonic() - began, 3))
            if new:
                outside.store.add_release(release)
            self._remember(request, release)
        intent = outside.store.intent(self.environment)
        outside.store.set_intent(self.environment, wanting(intent, request, release, story.rollout))

    def _release(self, request: Request) -> tuple[Release, bool]:
        store = self._outside.store
        if request.what == "rollback":
            return rollback_target(store, self.environment, request.release), False
        if request.artifact is None or request.configuration is None:
            raise PermanentError(f"a {request.what} needs an artifact and a configuration")
        return release_for(
            store,
            self.environment,
            request.artifact,
            request.configuration,
            by=request.by,
            now=self._outside.clock.now(),
        )

    def _remember(self, request: Request, release: Release) -> None:
        artifact = request.artifact
        if artifact is not None and not artifact.dirty:
            self._outside.store.record_delivery(self.environment, artifact.commit, release.number)

    def _bring(self, story: Story, *, preemptible: bool) -> None:
        bring(
            self._outside,
            self.environment,
            self.memory,
            story.tell,
            check=self._check,
            preempted=lambda: self._stopping or (preemptible and self._waiting is not None),
        )
        if self._stopping:
            raise Stopping

    def _check(self) -> None:
        if self._stopping:
            raise Stopping
        if self._aborted:
            raise Aborted(f"the rollout of {self.environment} was aborted")

    def _fail(self, work: Work, error: TidegateError) -> None:
        """Before the shift: want again what serves, and clear away what was begun. After it: keep on."""
        outside, story = self._outside, work.story
        intent = outside.store.intent(self.environment)
        if intent is not None and intent.rollout == story.rollout and not has_shifted(outside, self.environment):
            story.tell("failed", error=error.to_payload(), serving=intent.serving)
            outside.store.set_intent(self.environment, replace(intent, wanted=intent.serving, destroy=False))
            self.memory.started = frozenset()
            self._aborted = False
        else:
            story.tell("failed", error=error.to_payload(), serving=intent.serving if intent else None)
        self._end(work, error)
        self.nudge()

    def _end(
        self, work: Work, error: TidegateError | None, *, outcome: str | None = None, release: int | None = None
    ) -> None:
        seconds = round(self._outside.clock.monotonic() - work.began, 3)
        if outcome is None:
            outcome = "completed" if error is None else _outcome_of(error)
        if release is None:
            intent = self._outside.store.intent(self.environment)
            release = intent.wanted if intent is not None and intent.rollout == work.story.rollout else None
        self._outside.store.finish(
            work.story.rollout,
            outcome=outcome,
            error=error.code if error else None,
            seconds=seconds,
            release=release,
        )
        work.story.tell(
            "finished",
            outcome=outcome,
            release=release,
            seconds=seconds,
            **({"error": error.to_payload()} if error else {}),
        )
        if outcome == "completed":
            self._settling = work.story
        else:
            work.story.tell("settled")

    # --- between requests -----------------------------------------------------------------------------

    def _tend(self) -> None:
        """Mend what drifted, put away what is no longer warm; try again later when that fails."""
        try:
            bring(
                self._outside,
                self.environment,
                self.memory,
                tell_nobody,
                check=self._check_stopping,
                preempted=lambda: self._stopping or self._waiting is not None,
            )
            self.trouble, self._failures = None, 0
        except Preempted:
            return
        except TidegateError as error:
            self.memory.started = frozenset()
            self.trouble = error
            self._failures += 1
        self.settle_if_cold()

    def _check_stopping(self) -> None:
        if self._stopping or self._waiting is not None:
            raise Preempted

    def settle_if_cold(self) -> None:
        """End the last rollout's story when nothing of an older release is left."""
        view = look(self._outside, self.environment, self.memory)
        if not view.plan and {r.release for r in view.observed.replicas} <= {view.intent.wanted}:
            self._settle()

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.tell("settled")
            self._settling = None

    def _until_due(self) -> float:
        """Seconds until there is something to do without being told."""
        if self._failures:
            return PATIENCE[min(self._failures, len(PATIENCE)) - 1]
        intent = self._outside.store.intent(self.environment)
        if intent is None or intent.wanted is None:
            return PULSE
        release = self._outside.store.release(self.environment, intent.wanted)
        if release is None or not intent.retired:
            return PULSE
        last = max(intent.retired.values()) + timedelta(seconds=release.configuration.strategy.keep_warm)
        return min(PULSE, max(0.1, (last - self._outside.clock.now()).total_seconds()))

    def _story(self, rollout: int) -> Story:
        store = self._outside.store
        story = Story(
            rollout,
            now=lambda: self._outside.clock.now().isoformat(timespec="milliseconds"),
            keep=lambda event: store.add_event(rollout, event),
        )
        self._stories[rollout] = story
        for old in sorted(self._stories)[:-20]:
            del self._stories[old]
        return story


class Stopping(Exception):
    """The agent ends; the next one goes on."""


class Preempted(Exception):
    """A request has come, and mending can wait."""


def _outcome_of(error: TidegateError) -> str:
    return {"aborted": "aborted", "superseded": "superseded"}.get(error.code, "failed")
